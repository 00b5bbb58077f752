-- Change the owner of a session's checkpoint, if it still is the one that the caller names.
-- ARGV: session, owner before, new owner, TTL (s)
-- Returns 1 if the new owner has it now.
local session, before, owner, ttl = unpack(ARGV)
local key = checkpoint_key(session)
if redis.call('HGET', key, 'owner') ~= before then return 0 end
redis.call('HSET', key, 'owner', owner)
redis.call('EXPIRE', key, ttl)
return 1
