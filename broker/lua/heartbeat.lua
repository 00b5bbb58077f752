-- Register a worker, or show that it is alive: write its whole record, so that an empty Redis knows it again.
-- ARGV: worker, incarnation, draining (0 or 1), sessions (ids, JSON), now (ISO), session TTL (s), lease (ms),
--       field, value, field, value, ...
-- Returns {sessions that an earlier process of this worker left behind, seconds to drain in or -1, 1 if other
-- workers have room for all of its sessions}.
local worker, incarnation, draining, sessions, now_iso, ttl, lease_ms = unpack(ARGV, 1, 7)
local key, now = worker_key(worker), now_ms()
up_since(now)
local registered, status = unpack(redis.call('HMGET', key, 'incarnation', 'status'))

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

local drain = redis.call('HGET', key, 'drain')
local serves = draining == '0' and not drain
redis.call('SADD', WORKERS, worker)
redis.call('PERSIST', key)
redis.call('HDEL', key, 'gpu_memory_used', 'gpu_memory_total')
redis.call('HSET', key, 'incarnation', incarnation, 'heartbeat_ms', now,
           'status', serves and 'ready' or 'draining', unpack(ARGV, 8))
refresh(worker)
if redis.call('HGET', key, 'status') == 'ready' then announce_slots() end
return {left, tonumber(drain or -1), drain and has_room_elsewhere() or 1}
