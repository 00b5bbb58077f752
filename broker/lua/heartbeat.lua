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
local registered, status, known = unpack(redis.call('HMGET', key, 'incarnation', 'status', 'endpoint'))

if registered and registered ~= incarnation and status ~= 'offline' and is_fresh(worker, UNREACHABLE_MS)
    and (was_registered == '1' or known ~= endpoint) then
  return {'taken', known}
end

local left = 0
if registered and registered ~= incarnation then
  left = #free_sessions(worker, now_iso, ttl)
  redis.call('HDEL', key, 'drain')
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

-- The models and the number of free slots of each other worker that takes sessions.
local function others()
  local found = {}
  for _, id in ipairs(redis.call('SMEMBERS', WORKERS)) do
    local state, capacity, models = unpack(redis.call('HMGET', worker_key(id), 'status', 'capacity', 'models'))
    models = read_models(models or '')
    if id ~= worker and state == 'ready' and models and is_fresh(id, UNREACHABLE_MS) then
      local free = (tonumber(capacity) or 0) - redis.call('SCARD', worker_sessions_key(id))
      found[#found + 1] = {free = free, models = models}
    end
  end
  return found
end

local function take(found, model)
  for _, other in ipairs(found) do
    for _, m in ipairs(other.models) do
      if other.free > 0 and (m.variant == model or m.name == model) then
        other.free = other.free - 1
        return true
      end
    end
  end
  return false
end

local function has_room_elsewhere()
  local found = others()
  for _, session in ipairs(redis.call('SMEMBERS', worker_sessions_key(worker))) do
    if not take(found, redis.call('HGET', session_key(session), 'model')) then return 0 end
  end
  return 1
end

-- The GPUs of this worker that other live ones have too, each behind the id of that worker.
local function shared_devices()
  local own, found = {}, {}
  for _, device in ipairs(cjson.decode(devices)) do own[device] = device ~= 'cpu' end
  if not next(own) then return found end
  for _, id in ipairs(redis.call('SMEMBERS', WORKERS)) do
    local state, theirs = unpack(redis.call('HMGET', worker_key(id), 'status', 'devices'))
    if id ~= worker and state ~= 'offline' and theirs and is_fresh(id, UNREACHABLE_MS) then
      local ok, names = pcall(cjson.decode, theirs)
      for _, device in ipairs(ok and type(names) == 'table' and names or {}) do
        if own[device] then
          found[#found + 1] = id
          found[#found + 1] = device
        end
      end
    end
  end
  return found
end

local drain = redis.call('HGET', key, 'drain')
local serves = draining == '0' and not drain
redis.call('SADD', WORKERS, worker)
redis.call('PERSIST', key)
redis.call('HDEL', key, 'gpu_memory_used', 'gpu_memory_total')
redis.call('HSET', key, 'incarnation', incarnation, 'heartbeat_ms', now,
           'status', serves and 'ready' or 'draining', unpack(ARGV, 11))
refresh(worker)
if redis.call('HGET', key, 'status') == 'ready' then announce_slots() end

local answer = {'registered', left, tonumber(drain or -1), drain and has_room_elsewhere() or 1, now}
for _, item in ipairs(shared_devices()) do answer[#answer + 1] = item end
return answer
