-- Mark workers offline whose heartbeat is too old, and free their sessions and those of gateways that are gone.
-- ARGV: heartbeat timeout (ms), lease (ms), now (ISO), session TTL (s)
-- Returns {{{worker, session, session, ...}, ...} of those that were not offline before, {session, ...}}.
local timeout_ms, lease_ms, now_iso, ttl = unpack(ARGV)
local now, lost = now_ms(), {}
local since = up_since(now)
for _, worker in ipairs(redis.call('SMEMBERS', WORKERS)) do
  local status = redis.call('HGET', worker_key(worker), 'status')
  if not status then
    free_sessions(worker, now_iso, ttl)
    redis.call('SREM', WORKERS, worker)
  elseif status ~= 'offline' and now - since > tonumber(timeout_ms)
      and not is_fresh(worker, tonumber(timeout_ms)) then
    local entry = {worker}
    for _, session in ipairs(mark_offline(worker, now_iso, ttl)) do entry[#entry + 1] = session end
    lost[#lost + 1] = entry
  end
end
local expired, lapsed = free_expired(now, since, tonumber(lease_ms), now_iso, ttl)
if #expired + lapsed > 0 then announce_slots() end
return {lost, expired}
