-- Release the slot of a session. A session that Redis does not know is written as over all the same, so that an
-- allocation which arrives late gets no slot for it; for so long as one can be late.
-- ARGV: session, status (ended or error), audio duration (s), now (ISO), session TTL (s)
-- Returns 1 if the session held a slot.
local LATE_S = 30  -- of an allocation: calls take a second at most, and a connection that hangs some more
local session, status, audio_duration, now, ttl = unpack(ARGV)
local waited = leave_queue(session)
local previous, by, worker = unpack(redis.call('HMGET', session_key(session), 'status', 'ended_by', 'worker_id'))
if previous and previous ~= 'active' and by ~= 'sweep' then return 0 end
end_session(session, status, 'gateway', now, previous and ttl or math.min(ttl, LATE_S))
redis.call('HSET', session_key(session), 'audio_duration', audio_duration)
local held = worker and redis.call('SREM', worker_sessions_key(worker), session) or 0
if held == 1 then
  record_ending(now_ms())
  refresh(worker)
end
if held == 1 or waited == 1 then announce_slots() end
return held
