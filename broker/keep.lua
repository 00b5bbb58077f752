-- Keep what another gateway needs to go on with sessions.
-- ARGV: owner, TTL (s), then for each session: id, 'all' or 'changes', number of fields, field, value, ...,
-- number of names to remove, name, ...
-- Returns for each session: 'kept', 'unknown' (changes to nothing: send all), or 'taken' (by another gateway).
local AT_ONCE = 1000  -- arguments: Lua's stack holds some thousands; even, for they are pairs
local owner, ttl = ARGV[1], ARGV[2]
local answers, at = {}, 3
while at <= #ARGV do
  local key, mode, fields = resume_key(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2])
  local first, last = at + 3, at + 2 + 2 * fields
  local removed = tonumber(ARGV[last + 1])
  at = last + 2 + removed
  local holder = redis.call('HGET', key, 'owner')
  if holder and holder ~= owner then
    answers[#answers + 1] = 'taken'
  elseif mode == 'changes' and not holder then
    answers[#answers + 1] = 'unknown'
  else
    if mode == 'all' then redis.call('DEL', key) end
    redis.call('HSET', key, 'owner', owner)
    for i = first, last, AT_ONCE do redis.call('HSET', key, unpack(ARGV, i, math.min(i + AT_ONCE - 1, last))) end
    for i = last + 2, at - 1, AT_ONCE do redis.call('HDEL', key, unpack(ARGV, i, math.min(i + AT_ONCE, at) - 1)) end
    redis.call('EXPIRE', key, ttl)
    answers[#answers + 1] = 'kept'
  end
end
return answers
