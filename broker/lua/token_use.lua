-- Count a use of a token; the same use again changes nothing.
-- ARGV: token, use, most uses, time until nobody takes the token any more (ms)
-- Returns 1 if the token may be used, 0 if it was used as often as it may be.
local key = token_uses_key(ARGV[1])
redis.call('SADD', key, ARGV[2])
redis.call('PEXPIRE', key, ARGV[4])
if redis.call('SCARD', key) <= tonumber(ARGV[3]) then return 1 end
redis.call('SREM', key, ARGV[2])
return 0
