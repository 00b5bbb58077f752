-- Give a session a slot on the fitting worker that has the largest share of its slots free.
-- ARGV: request (JSON), now (ISO), heartbeat timeout (ms), lease (ms), session TTL (s), queue lease (ms),
--       maximum length of the queue
-- The request: session, language, features (preferred, not required), avoid (worker ids), steps (what to try, in
-- order: model, over (beyond the capacity), degraded), wait (whether to queue), first (ahead of others).
-- Requests of waiting sessions stay in Redis, so gateways of two versions read each other's.
-- Returns {'allocated', worker, endpoint, model, variant, degraded (0 or 1)}, {'over'}, or
-- {'queued' or 'none', live workers, fitting workers, sessions on fitting workers, position, and the numbers of
-- wait_estimate}.
local request, now_iso = cjson.decode(ARGV[1]), ARGV[2]
local timeout_ms, lease_ms, ttl, queue_lease_ms, max_queue = unpack(ARGV, 3)
local session, now = request.session, now_ms()
local since = up_since(now)
free_expired(now, since, tonumber(lease_ms), now_iso, ttl)

local function set(list)
  local found = {}
  for _, item in ipairs(list) do found[item] = true end
  return found
end

local function supports(model, language)
  if language == 'auto' then return true end
  return set(model.languages)[language] == true
end

-- The model of a worker that has this variant or name and most of the features; and how many of them it has.
local function fitting(worker, asked, name)
  local best, most
  for _, m in ipairs(worker.models) do
    if (m.variant == name or m.name == name) and supports(m, asked.language) then
      local has = 0
      for _, feature in ipairs(asked.features) do has = has + (m.features[feature] and 1 or 0) end
      if not best or has > most then best, most = m, has end
    end
  end
  return best, most
end

local function better(a, b)
  if a.has ~= b.has then return a.has > b.has end
  if a.share ~= b.share then return a.share > b.share end
  if a.worker.lag ~= b.worker.lag then return a.worker.lag < b.worker.lag end
  return a.worker.id < b.worker.id
end

-- The best slot for a request, by the first of its steps that finds one.
local function choose(workers, asked)
  local avoid = set(asked.avoid)
  for _, step in ipairs(asked.steps) do
    local best
    for _, worker in ipairs(workers) do
      local model, has = fitting(worker, asked, step.model)
      local limit = step.over and worker.over or worker.capacity
      if model and limit > worker.taken and not avoid[worker.id] then
        local found = {worker = worker, model = model, has = has, step = step,
                       share = (limit - worker.taken) / limit}
        if not best or better(found, best) then best = found end
      end
    end
    if best then return best end
  end
end

local function live_workers()
  local found = {}
  for _, id in ipairs(redis.call('SMEMBERS', WORKERS)) do
    local status, heartbeat, capacity, over, lag, models = unpack(redis.call(
      'HMGET', worker_key(id), 'status', 'heartbeat_ms', 'capacity', 'degraded_capacity', 'lag', 'models'))
    heartbeat, capacity = tonumber(heartbeat or ''), tonumber(capacity or '')
    -- An entry without these fields, as another program may write it, is no worker that we can use.
    local usable = heartbeat and capacity and models
    if usable and (status == 'ready' or status == 'busy') and now - heartbeat <= tonumber(timeout_ms) then
      found[#found + 1] = {id = id, capacity = capacity, over = math.max(tonumber(over) or 0, capacity),
                           lag = tonumber(lag) or 0, models = cjson.decode(models),
                           taken = redis.call('SCARD', worker_sessions_key(id))}
    end
  end
  return found
end

-- Count as taken the slots that the sessions before this one in the queue will get.
local function reserve(workers)
  for _, waiting in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
    if waiting == session then return end
    local score = tonumber(redis.call('ZSCORE', QUEUE, waiting))
    if request.first and score >= 0 then return end
    local slot = choose(workers, cjson.decode(redis.call('HGET', QUEUE_REQUESTS, waiting)))
    if slot then slot.worker.taken = slot.worker.taken + 1 end
  end
end

local function allocated(worker, name, variant, degraded)
  return {'allocated', worker, redis.call('HGET', worker_key(worker), 'endpoint') or '', name, variant, degraded}
end

-- A session that has a slot gets the same one again, unless its gateway could not reach that worker. A session
-- that is over stays over: its release may have overtaken an allocation whose answer was lost.
local status, by, at, name, variant, degraded = unpack(redis.call(
  'HMGET', session_key(session), 'status', 'ended_by', 'worker_id', 'model_name', 'variant', 'degraded'))
if status and status ~= 'active' and by ~= 'sweep' then return {'over'} end
if at and redis.call('SISMEMBER', worker_sessions_key(at), session) == 1 then
  if name and not set(request.avoid)[at] and redis.call('EXISTS', worker_key(at)) == 1 then
    redis.call('ZADD', LEASES, now + lease_ms, session)
    return allocated(at, name, variant or '', tonumber(degraded) or 0)
  end
  redis.call('SREM', worker_sessions_key(at), session)
  refresh(at)
end

local workers = live_workers()
local live, fits, taken = #workers, 0, 0
for _, worker in ipairs(workers) do
  local serves = false
  for _, step in ipairs(request.steps) do serves = serves or fitting(worker, request, step.model) ~= nil end
  if serves then fits, taken = fits + 1, taken + worker.taken end
end
reserve(workers)
local best = choose(workers, request)

if best then
  local worker, model, step = best.worker.id, best.model, best.step
  leave_queue(session)
  assign_slot(session, worker, now, now + lease_ms)
  redis.call('HSET', session_key(session), 'worker_id', worker, 'status', 'active',
             'language', request.language, 'model', request.model, 'model_name', model.name,
             'variant', model.variant, 'degraded', step.degraded and 1 or 0)
  for field, value in pairs({started_at = now_iso, audio_duration = '0', enhance_on_end = 'false'}) do
    redis.call('HSETNX', session_key(session), field, value)
  end
  refresh(worker)
  announce_slots()
  return allocated(worker, model.name, model.variant, step.degraded and 1 or 0)
end

if status then end_session(session, 'error', 'sweep', now_iso, ttl) end
local queued = redis.call('ZSCORE', QUEUE, session)
if request.wait and (queued or redis.call('ZCARD', QUEUE) < tonumber(max_queue)) then
  if not queued then
    local ticket = redis.call('INCR', TICKETS)
    redis.call('ZADD', QUEUE, request.first and ticket - 2 ^ 52 or ticket, session)
  end
  redis.call('HSET', QUEUE_REQUESTS, session, ARGV[1])
  redis.call('ZADD', QUEUE_LEASES, now + queue_lease_ms, session)
  return {'queued', live, fits, taken, redis.call('ZRANK', QUEUE, session) + 1, wait_estimate(now)}
end
leave_queue(session)
return {'none', live, fits, taken, redis.call('ZCARD', QUEUE) + 1, wait_estimate(now)}
