-- Mark workers offline whose heartbeat is too old, and free their sessions and those of gateways that are gone. Looks
-- at some of the workers in each call, so that no other call waits for long, and mends the index for them.
-- ARGV: cursor ('0' at first), heartbeat timeout (ms), lease (ms), now (ISO), session TTL (s)
-- Returns {cursor for the next call, 1 if there is more to do,
--          {{worker, session, session, ...}, ...} of those that were not offline before, {session, ...}}.
local WORKERS_AT_ONCE = 100
local cursor, timeout_ms, lease_ms, now_iso, ttl = unpack(ARGV)
local now, lost = now_ms(), {}
local since = up_since(now)
-- A worker of a version that does not know the index writes heartbeats that the index has not.
local function is_indexed(worker, heartbeat)
  local known = redis.call('HGET', INDEX_WORKERS, worker)
  return known and known:match(' (%d+)$') == heartbeat
end

local found = redis.call('SSCAN', WORKERS, cursor, 'COUNT', WORKERS_AT_ONCE)
for _, worker in ipairs(found[2]) do
  local status, heartbeat = unpack(redis.call('HMGET', worker_key(worker), 'status', 'heartbeat_ms'))
  local age = now - (tonumber(heartbeat or '') or 0)
  if not status then
    free_sessions(worker, now_iso, ttl)
    redis.call('SREM', WORKERS, worker)
    forget_worker(worker)
  elseif status ~= 'offline' and age > tonumber(timeout_ms) and now - since > tonumber(timeout_ms) then
    local entry = {worker}
    for _, session in ipairs(mark_offline(worker, now_iso, ttl)) do entry[#entry + 1] = session end
    lost[#lost + 1] = entry
  elseif status ~= 'offline' and (age < 0 or not is_indexed(worker, heartbeat)) then
    is_fresh(worker, 0)  -- Writes the time of now for a heartbeat from before the clock was set back.
    index_worker(worker)
  end
end
local expired, lapsed = free_expired(now, since, tonumber(lease_ms), now_iso, ttl)
if #expired + lapsed > 0 then announce_slots() end
return {found[1], (found[1] ~= '0' or #expired == EXPIRED_AT_ONCE) and 1 or 0, lost, expired}
