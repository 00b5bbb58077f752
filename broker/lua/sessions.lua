-- Read all sessions that hold a slot, at one moment.
-- Returns {{session, field, value, field, value, ...}, ...}.
local sessions = {}
for _, session in ipairs(redis.call('SMEMBERS', ACTIVE)) do
  local entry = {session}
  for _, item in ipairs(redis.call('HGETALL', session_key(session))) do entry[#entry + 1] = item end
  sessions[#sessions + 1] = entry
end
return sessions
