-- Give back the place of a session. A session that Redis does not know is noted as over all the same,
-- so that an allocation which arrives late takes no place for it.
-- ARGV: session, status (ended or error), audio duration (s), now (ISO), session TTL (s)
-- Returns 1 if the session held a place.
local session, status, audio_duration, now, ttl = unpack(ARGV)
local before, worker = unpack(redis.call('HMGET', session_key(session), 'status', 'worker_id'))
if before and before ~= 'active' then return 0 end
end_session(session, status, now, ttl)
redis.call('HSET', session_key(session), 'audio_duration', audio_duration)
if not worker then return 0 end
redis.call('SREM', worker_sessions_key(worker), session)
refresh(worker)
return 1
