-- Mark a worker offline that says it can't serve until its next heartbeat, and free its sessions.
-- ARGV: worker, incarnation, now (ISO), session TTL (s)
-- Returns 1 if it was not offline before.
local worker, incarnation, now, ttl = unpack(ARGV)
local registered, status = unpack(redis.call('HMGET', worker_key(worker), 'incarnation', 'status'))
if registered ~= incarnation or status == 'offline' then return 0 end
mark_offline(worker, now, ttl)
return 1
