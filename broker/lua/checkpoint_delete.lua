-- Delete the checkpoint of a session that nobody can go on with.
-- ARGV: session, owner
local key = checkpoint_key(ARGV[1])
if redis.call('HGET', key, 'owner') == ARGV[2] then redis.call('DEL', key) end
return 1
