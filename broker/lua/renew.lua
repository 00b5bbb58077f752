-- Hold the places of a gateway's sessions for another while.
-- ARGV: lease (ms), session, session, ...
-- Returns the sessions that hold no place here.
local now, unknown = now_ms(), {}
reached_since(now)
for i = 2, #ARGV do
  local status, model = unpack(redis.call('HMGET', session_key(ARGV[i]), 'status', 'model'))
  if status == 'active' and model then
    redis.call('ZADD', LEASES, now + ARGV[1], ARGV[i])
  else
    unknown[#unknown + 1] = ARGV[i]
  end
end
return unknown
