-- Register a worker, or show that it is alive: write its whole record, so that an empty Redis knows it again.
-- A process that was registered before, or listens elsewhere, is another worker than the one that has the name now:
-- it is refused while that one lives. Else it is the same worker, started again, and takes over at once.
-- ARGV: worker, incarnation, 1 if it was registered before, endpoint, draining (0 or 1), sessions (ids, JSON),
--       now (ISO), session TTL (s), lease (ms), devices (JSON), field, value, field, value, ...
-- Returns {'taken', endpoint of the worker that has the name}, or {'registered', sessions that an earlier process
-- of this worker left behind, seconds to drain in or -1, 1 if other workers have room for all of its sessions, the
-- time of Redis (ms), worker, GPU that it uses too, worker, GPU, ...}.
local worker, incarnation, was_registered, endpoint, draining, sessions, now_iso, ttl, lease_ms, devices =
  unpack(ARGV, 1, 10)
local key, now = worker_key(worker), now_ms()
up_since(now)
local registered, status, known, last, drain = unpack(redis.call(
  'HMGET', key, 'incarnation', 'status', 'endpoint', 'heartbeat_ms', 'drain'))

if registered and registered ~= incarnation and status ~= 'offline' and is_fresh(worker, UNREACHABLE_MS)
    and (was_registered == '1' or known ~= endpoint) then
  return {'taken', known}
end

local left = 0
if registered and registered ~= incarnation then
  left = #free_sessions(worker, now_iso, ttl)
  redis.call('HDEL', key, 'drain')
  drain = false
end

-- A Redis that lost its data learns from the worker which sessions it serves, and gives them their slots again.
if not registered or status == 'offline' then
  for _, session in ipairs(cjson.decode(sessions)) do
    local by = redis.call('HGET', session_key(session), 'ended_by')
    if by ~= 'gateway' and not redis.call('ZSCORE', LEASES, session) then
      assign_slot(session, worker, now, now + lease_ms)
      redis.call('HSET', session_key(session), 'worker_id', worker, 'status', 'active')
    end
  end
end

local function has_room_elsewhere()
  open_views(UNREACHABLE_MS)
  for _, session in ipairs(redis.call('SMEMBERS', worker_sessions_key(worker))) do
    local model = redis.call('HGET', session_key(session), 'model')
    local slot = choose({language = 'auto', features = {}, avoid = {worker}, steps = {{model = model}}})
    if not slot then return 0 end
    promise(slot)
  end
  return 1
end

local function has_device(id, device)
  local state, theirs = unpack(redis.call('HMGET', worker_key(id), 'status', 'devices'))
  local ok, names = pcall(cjson.decode, theirs or '')
  if not ok or type(names) ~= 'table' or state == 'offline' then return false end
  return set(names)[device] == true
end

-- The GPUs of this worker that other live ones have too, each behind the id of that worker.
local function shared_devices()
  local found = {}
  for _, device in ipairs(cjson.decode(devices)) do
    local users = index_device_key(device)
    if device ~= 'cpu' then
      redis.call('SADD', users, worker)
      redis.call('EXPIRE', users, ttl)
      for _, id in ipairs(redis.call('SMEMBERS', users)) do
        if id ~= worker and not has_device(id, device) then
          redis.call('SREM', users, id)
        elseif id ~= worker and is_fresh(id, UNREACHABLE_MS) then
          found[#found + 1] = id
          found[#found + 1] = device
        end
      end
    end
  end
  return found
end

local serves = draining == '0' and not drain
if not registered or status == 'offline' then
  redis.call('SADD', WORKERS, worker)
  redis.call('PERSIST', key)
end
local given = set(ARGV)
if not (given.gpu_memory_used and given.gpu_memory_total) then
  redis.call('HDEL', key, 'gpu_memory_used', 'gpu_memory_total')
end
redis.call('HSET', key, 'incarnation', incarnation, 'heartbeat_ms', now,
           'status', serves and 'ready' or 'draining', unpack(ARGV, 11))
local was_silent = now - (tonumber(last or '') or 0) > WAKE_FRESH_MS
if refresh(worker) or was_silent then announce_slots() end

local answer = {'registered', left, tonumber(drain or -1), drain and has_room_elsewhere() or 1, now}
for _, item in ipairs(shared_devices()) do answer[#answer + 1] = item end
return answer
