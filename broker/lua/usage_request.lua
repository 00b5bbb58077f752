-- Count a request of an account, if it had fewer than it may have in the last minute. Repeated, it counts again.
-- ARGV: account, most requests
-- Returns {1 if it may be made, requests of the last minute, seconds until one may be made}.
local key, most = usage_requests_key(ARGV[1]), tonumber(ARGV[2])
local now = math.floor(now_ms() / 1000)
local used, earliest, found = 0, now, redis.call('HGETALL', key)
for i = 1, #found, 2 do
  local second = tonumber(found[i])
  if second <= now - 60 or second > now then  -- From the future: the clock was set back.
    redis.call('HDEL', key, found[i])
  else
    used, earliest = used + found[i + 1], math.min(earliest, second)
  end
end
if used >= most then return {0, used, earliest + 60 - now} end
redis.call('HINCRBY', key, now, 1)
redis.call('EXPIRE', key, 61)
return {1, used + 1, 0}
