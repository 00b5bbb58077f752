-- Have a session count for an account, if that may have one more.
-- ARGV: account, session, lease (ms), most sessions (0: any number), most audio a day (ms; 0: any)
-- Returns {'open', sessions}, {'sessions', sessions} or {'audio', audio of today (ms)}.
local account, session, lease_ms, most, most_audio = unpack(ARGV)
local now = now_ms()
local held, key = usage_sessions(account, now, tonumber(lease_ms)), usage_sessions_key(account)
if not redis.call('ZSCORE', key, session) then
  if tonumber(most) > 0 and held >= tonumber(most) then return {'sessions', held} end
  local used = usage_audio(account, now)
  if tonumber(most_audio) > 0 and used >= tonumber(most_audio) then return {'audio', used} end
end
hold_usage(account, session, now + lease_ms)
return {'open', redis.call('ZCARD', key)}
