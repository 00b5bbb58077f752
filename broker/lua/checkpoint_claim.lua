-- Take a session over from the gateway that had it, if it still is that one's.
-- ARGV: session, owner before, owner, TTL (s)
-- Returns 1 if it is ours now.
local session, before, owner, ttl = unpack(ARGV)
local key = resume_key(session)
if redis.call('HGET', key, 'owner') ~= before then return 0 end
redis.call('HSET', key, 'owner', owner)
redis.call('EXPIRE', key, ttl)
return 1
