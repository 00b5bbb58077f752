-- A worker says that it can't serve until its next beat: mark it offline and free its sessions.
-- ARGV: worker, incarnation, now (ISO), session TTL (s)
-- Returns 1 if it was not offline before.
local worker, incarnation, now, ttl = unpack(ARGV)
local before, status = unpack(redis.call('HMGET', worker_key(worker), 'incarnation', 'status'))
if before ~= incarnation or status == 'offline' then return 0 end
lose(worker, now, ttl)
return 1
