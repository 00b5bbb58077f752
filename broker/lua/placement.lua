-- Chooses slots for sessions, and wakes those that wait and would get one. Stands behind common.lua in each script.
-- A request: session, language, features (preferred, not required), avoid (worker ids), steps (what to try, in
-- order: model, over (beyond the capacity), degraded), wait (whether to queue), first (ahead of others), kind (the
-- same for all requests that differ by the session alone).
-- Requests of waiting sessions stay in Redis, so gateways of two versions read each other's.

local WAKE_FRESH_MS = 5000  -- of a heartbeat, for a wake-up: who is woken in vain asks, and waits on

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
      local limit = step.over and worker.over or worker.capacity
      if limit > worker.taken and not avoid[worker.id] then
        local model, has = fitting(worker, asked, step.model)
        if model then
          local found = {worker = worker, model = model, has = has, step = step,
                         share = (limit - worker.taken) / limit}
          if not best or better(found, best) then best = found end
        end
      end
    end
    if best then return best end
  end
end

local function live_workers(timeout_ms)
  local found, now = {}, now_ms()
  for _, id in ipairs(redis.call('SMEMBERS', WORKERS)) do
    local status, heartbeat, capacity, over, lag, models = unpack(redis.call(
      'HMGET', worker_key(id), 'status', 'heartbeat_ms', 'capacity', 'degraded_capacity', 'lag', 'models'))
    heartbeat, capacity, models = tonumber(heartbeat or ''), tonumber(capacity or ''), read_models(models or '')
    -- An entry without these fields, as another program may write it, is no worker that we can use.
    local usable = heartbeat and capacity and models
    if usable and (status == 'ready' or status == 'busy') and now - heartbeat <= timeout_ms then
      found[#found + 1] = {id = id, capacity = capacity, over = math.max(tonumber(over) or 0, capacity),
                           lag = tonumber(lag) or 0, models = models,
                           taken = redis.call('SCARD', worker_sessions_key(id))}
    end
  end
  return found
end

-- The number of workers that have a model for a request, free or not, and of the sessions on them.
local function count_fitting(workers, asked)
  local fits, taken = 0, 0
  for _, worker in ipairs(workers) do
    for _, step in ipairs(asked.steps) do
      if fitting(worker, asked, step.model) then
        fits, taken = fits + 1, taken + worker.taken
        break
      end
    end
  end
  return fits, taken
end

-- Count as taken the slots that waiting sessions will get, in order, before the one at which `ends_at` is true;
-- returns the ids of those that get one. Ends as soon as no slot is left: who waits takes none beyond the capacity.
local function serve_queue(workers, ends_at)
  local served, refused, free = {}, {}, 0
  for _, worker in ipairs(workers) do free = free + math.max(0, worker.capacity - worker.taken) end
  if free == 0 then return served end
  for _, waiting in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
    if ends_at and ends_at(waiting) then break end
    local asked = cjson.decode(redis.call('HGET', QUEUE_REQUESTS, waiting))
    if not (asked.kind and refused[asked.kind]) then
      local slot = choose(workers, asked)
      if slot then
        slot.worker.taken = slot.worker.taken + 1
        served[#served + 1], free = waiting, free - 1
        if free == 0 then break end
      elseif asked.kind then
        refused[asked.kind] = true
      end
    end
  end
  return served
end

-- Tell the gateways which waiting sessions would get a slot now: these ask for it.
local function announce_slots()
  if redis.call('ZCARD', QUEUE) == 0 then return end
  local served = serve_queue(live_workers(WAKE_FRESH_MS))
  if #served > 0 then redis.call('PUBLISH', CHANNEL, 'places ' .. table.concat(served, ' ')) end
end
