-- Mark the workers whose heartbeat is too old offline, and free their sessions.
-- ARGV: heartbeat timeout (ms), now (ISO), session TTL (s)
-- Returns {{worker, session, session, ...}, ...} of those that were not offline before.
local timeout_ms, now, ttl = unpack(ARGV)
local lost = {}
for _, worker in ipairs(redis.call('SMEMBERS', WORKERS)) do
  local status = redis.call('HGET', worker_key(worker), 'status')
  if not status then
    free_sessions(worker, now, ttl)
    redis.call('SREM', WORKERS, worker)
  elseif status ~= 'offline' and not is_fresh(worker, tonumber(timeout_ms)) then
    local entry = {worker}
    for _, session in ipairs(free_sessions(worker, now, ttl)) do entry[#entry + 1] = session end
    redis.call('HSET', worker_key(worker), 'status', 'offline', 'active_sessions', 0)
    redis.call('EXPIRE', worker_key(worker), ttl)
    lost[#lost + 1] = entry
  end
end
return lost
