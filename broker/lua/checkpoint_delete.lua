-- Nobody can go on with a session any more.
-- ARGV: session, owner
local key = resume_key(ARGV[1])
if redis.call('HGET', key, 'owner') == ARGV[2] then redis.call('DEL', key) end
return 1
