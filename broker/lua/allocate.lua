-- Give a session a place on the fitting worker that has the largest share of its places free.
-- ARGV: request (JSON), now (ISO), heartbeat timeout (ms), lease (ms), session TTL (s), queue lease (ms),
--       longest queue
-- The request: session, language, features (wanted where a model has them), avoid (worker ids), steps (what
-- to try, in order: model, over (beyond the capacity), degraded), wait (whether to queue), first (ahead of others).
-- Returns {'placed', worker, endpoint, model, variant, degraded (0 or 1)}, {'over'}, or
-- {'queued' or 'none', live workers, fitting workers, fitting sessions, position, sessions, endings, their ms, age}.
local request, now_iso = cjson.decode(ARGV[1]), ARGV[2]
local timeout_ms, lease_ms, ttl, queue_lease_ms, longest = unpack(ARGV, 3)
local session, now = request.session, now_ms()
local since = reached_since(now)
free_expired(now, since, tonumber(lease_ms), now_iso, ttl)

local function set(list)
  local found = {}
  for _, item in ipairs(list) do found[item] = true end
  return found
end

local function speaks(model, language)
  if language == 'auto' then return true end
  return set(model.languages)[language] == true
end

-- The model of a worker that answers to `name` and has most of the wanted features; and how many it has.
local function fitting(worker, wish, name)
  local best, most
  for _, m in ipairs(worker.models) do
    if (m.variant == name or m.name == name) and speaks(m, wish.language) then
      local has = 0
      for _, feature in ipairs(wish.features) do has = has + (m.features[feature] and 1 or 0) end
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

-- The best place for a wish by the first of its steps that finds one.
local function choose(workers, wish)
  local avoid = set(wish.avoid)
  for _, step in ipairs(wish.steps) do
    local best
    for _, worker in ipairs(workers) do
      local model, has = fitting(worker, wish, step.model)
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
    local status, beat, capacity, over, lag, models = unpack(redis.call(
      'HMGET', worker_key(id), 'status', 'heartbeat_ms', 'capacity', 'degraded_capacity', 'lag', 'models'))
    if (status == 'ready' or status == 'busy') and now - tonumber(beat) <= tonumber(timeout_ms) then
      capacity = tonumber(capacity)
      found[#found + 1] = {id = id, capacity = capacity, over = math.max(tonumber(over) or 0, capacity),
                           lag = tonumber(lag) or 0, models = cjson.decode(models),
                           taken = redis.call('SCARD', worker_sessions_key(id))}
    end
  end
  return found
end

-- Set aside what those who wait before this session will get.
local function reserve(workers)
  for _, waiting in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
    if waiting == session then return end
    local score = tonumber(redis.call('ZSCORE', QUEUE, waiting))
    if request.first and score >= 0 then return end
    local theirs = choose(workers, cjson.decode(redis.call('HGET', QUEUE_REQUESTS, waiting)))
    if theirs then theirs.worker.taken = theirs.worker.taken + 1 end
  end
end

local function placed(worker, name, variant, degraded)
  return {'placed', worker, redis.call('HGET', worker_key(worker), 'endpoint') or '', name, variant, degraded}
end

-- Asked again: the same answer, unless the caller could not reach that worker. A session that is over
-- stays over: its release may have overtaken an allocation whose answer was lost.
local status, by, at, name, variant, degraded = unpack(redis.call(
  'HMGET', session_key(session), 'status', 'ended_by', 'worker_id', 'model_name', 'variant', 'degraded'))
if status and status ~= 'active' and by ~= 'sweep' then return {'over'} end
if at and redis.call('SISMEMBER', worker_sessions_key(at), session) == 1 then
  if name and not set(request.avoid)[at] and redis.call('EXISTS', worker_key(at)) == 1 then
    redis.call('ZADD', LEASES, now + lease_ms, session)
    return placed(at, name, variant or '', tonumber(degraded) or 0)
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
  hold(session, worker, now, now + lease_ms)
  redis.call('HSET', session_key(session), 'worker_id', worker, 'status', 'active',
             'language', request.language, 'model', request.model, 'model_name', model.name,
             'variant', model.variant, 'degraded', step.degraded and 1 or 0)
  for field, value in pairs({started_at = now_iso, audio_duration = '0', enhance_on_end = 'false'}) do
    redis.call('HSETNX', session_key(session), field, value)
  end
  refresh(worker)
  wake()
  return placed(worker, model.name, model.variant, step.degraded and 1 or 0)
end

if status then end_session(session, 'error', 'sweep', now_iso, ttl) end
local queued = redis.call('ZSCORE', QUEUE, session)
if request.wait and (queued or redis.call('ZCARD', QUEUE) < tonumber(longest)) then
  if not queued then
    local ticket = redis.call('INCR', TICKETS)
    redis.call('ZADD', QUEUE, request.first and ticket - 2 ^ 52 or ticket, session)
  end
  redis.call('HSET', QUEUE_REQUESTS, session, ARGV[1])
  redis.call('ZADD', QUEUE_LEASES, now + queue_lease_ms, session)
  return {'queued', live, fits, taken, redis.call('ZRANK', QUEUE, session) + 1, outlook(now)}
end
leave_queue(session)
return {'none', live, fits, taken, redis.call('ZCARD', QUEUE) + 1, outlook(now)}
