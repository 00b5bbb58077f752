-- Renew the leases of a gateway's sessions.
-- ARGV: lease (ms), session, session, ...
-- Returns the sessions that hold no slot here.
local now, unknown = now_ms(), {}
up_since(now)
for i = 2, #ARGV do
  local status, model = unpack(redis.call('HMGET', session_key(ARGV[i]), 'status', 'model'))
  if status == 'active' and model then
    redis.call('ZADD', LEASES, now + ARGV[1], ARGV[i])
  else
    unknown[#unknown + 1] = ARGV[i]
  end
end
return unknown
