-- Keep what another gateway needs to go on with sessions.
-- ARGV: owner, TTL (s), sessions (MessagePack: {id, 'all' or 'changes', {field, value, ...}, {name to remove, ...}}, ...)
-- Returns for each session: 'kept', 'unknown' (changes to nothing: send all), or 'taken' (by another gateway).
local AT_ONCE = 1000  -- arguments: Lua's stack holds some thousands; even, for they are pairs
local owner, ttl = ARGV[1], ARGV[2]
local answers = {}

local function in_parts(command, key, list)
  for i = 1, #list, AT_ONCE do redis.call(command, key, unpack(list, i, math.min(i + AT_ONCE - 1, #list))) end
end

for _, kept in ipairs(cmsgpack.unpack(ARGV[3])) do
  local session, mode, fields, gone = unpack(kept)
  local key = resume_key(session)
  local holder = redis.call('HGET', key, 'owner')
  if holder and holder ~= owner then
    answers[#answers + 1] = 'taken'
  elseif mode == 'changes' and not holder then
    answers[#answers + 1] = 'unknown'
  else
    if mode == 'all' then redis.call('DEL', key) end
    redis.call('HSET', key, 'owner', owner)
    in_parts('HSET', key, fields)
    in_parts('HDEL', key, gone)
    redis.call('EXPIRE', key, ttl)
    answers[#answers + 1] = 'kept'
  end
end
return answers
