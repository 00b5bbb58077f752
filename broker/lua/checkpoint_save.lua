-- Save what another gateway needs to go on with sessions.
-- ARGV: owner, TTL (s), sessions (MessagePack, a list of {id, 'all' or 'changes', {field, value, ...}, {name to
-- remove, ...}, true if the owner gives the session up, so that another gateway may claim it})
-- Returns for each session: 'saved', 'unknown' (there is nothing to change: send all fields), or 'taken' (by
-- another gateway).
local ARGUMENTS = 1000  -- of one Redis call: Lua's stack holds some thousands; even, because they are pairs
local owner, ttl = ARGV[1], ARGV[2]
local answers = {}

local function in_parts(command, key, list)
  for i = 1, #list, ARGUMENTS do
    redis.call(command, key, unpack(list, i, math.min(i + ARGUMENTS - 1, #list)))
  end
end

for _, change in ipairs(cmsgpack.unpack(ARGV[3])) do
  local session, mode, fields, removed, gives_up = unpack(change)
  local key = checkpoint_key(session)
  local holder = redis.call('HGET', key, 'owner')
  if holder and holder ~= owner then
    answers[#answers + 1] = 'taken'
  elseif mode == 'changes' and not holder then
    answers[#answers + 1] = 'unknown'
  else
    if mode == 'all' then redis.call('DEL', key) end
    in_parts('HSET', key, fields)
    in_parts('HDEL', key, removed)
    redis.call('HSET', key, 'owner', gives_up and '' or owner)
    redis.call('EXPIRE', key, ttl)
    answers[#answers + 1] = 'saved'
  end
end
return answers
