-- Count the audio of sessions for their accounts, and renew or end what they hold there.
-- ARGV: account, session, its audio (ms), what of that is counted for certain (ms), lease (ms; 0: it is over), ...
-- Returns for each of them the audio that its account used today (ms).
local now, answer = now_ms(), {}
up_since(now)
for i = 1, #ARGV, 5 do
  local account, session, audio, counted, lease_ms = unpack(ARGV, i, i + 4)
  local sessions, key, used = usage_sessions_key(account), usage_audio_key(account), usage_audio(account, now)
  local goes_on = tonumber(lease_ms) > 0
  if goes_on or redis.call('ZSCORE', sessions, session) then
    local before = math.max(tonumber(redis.call('HGET', key, session) or 0), tonumber(counted))
    used = used + math.max(0, audio - before)
    redis.call('HSET', key, 'day', math.floor(now / DAY_MS), 'used', used)
    if goes_on then
      redis.call('HSET', key, session, math.max(before, tonumber(audio)))
      hold_usage(account, session, now + lease_ms)
    else
      redis.call('HDEL', key, session)
      redis.call('ZREM', sessions, session)
    end
    redis.call('PEXPIRE', key, 2 * DAY_MS)
  end
  answer[#answer + 1] = used
end
return answer
