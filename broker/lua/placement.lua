-- Chooses slots for sessions, and wakes those that wait and would get one. Stands behind common.lua in each script.
-- A request: session, language, features (preferred, not required), avoid (worker ids), steps (what to try, in
-- order: model, over (beyond the capacity), degraded), wait (whether to queue), first (ahead of others), kind (the
-- same for all requests that differ by the session alone).
-- Requests of waiting sessions stay in Redis, so gateways of two versions read each other's.

local WAKE_FRESH_MS = 5000  -- of a heartbeat, for a wake-up: who is woken in vain asks, and waits on
local PAGE = 2  -- workers that are read from the index at a time: the first one mostly is the one
local EMPTY = {}

-- What this call has read of the index: for each set of workers with the same models those that come first, in order.
-- `promised` counts the slots of each worker that sessions in the queue will get.
local views, promised, fresh_ms

local function set(list)
  local found = {}
  for _, item in ipairs(list) do found[item] = true end
  return found
end

local function supports(model, language)
  if language == 'auto' then return true end
  for _, spoken in ipairs(model.languages) do
    if spoken == language then return true end
  end
  return false
end

-- The model of a set that has this variant or name and most of the features; and how many of them it has.
local function fitting(models, asked, name)
  local best, most
  for _, m in ipairs(models) do
    if (m.variant == name or m.name == name) and supports(m, asked.language) then
      local has = 0
      for _, feature in ipairs(asked.features) do has = has + (m.features[feature] and 1 or 0) end
      if not best or has > most then best, most = m, has end
    end
  end
  return best, most
end

local function reopen_views()
  views = {}
  local sets = redis.call('HGETALL', INDEX_MODELS)
  for i = 1, #sets, 2 do
    local models = read_models(sets[i + 1])
    if models then views[#views + 1] = {set = sets[i], text = sets[i + 1], models = models, list = {}, read = 0} end
  end
end

-- Begin to look at the workers whose heartbeat is no older than so many ms.
local function open_views(timeout_ms)
  fresh_ms, promised = timeout_ms, {}
  complete_index()
  reopen_views()
end

local function is_before(a, b)
  if a.score ~= b.score then return a.score < b.score end
  return a.id < b.id
end

local function insert(list, worker)
  local at = #list + 1
  while at > 1 and is_before(worker, list[at - 1]) do at = at - 1 end
  table.insert(list, at, worker)
end

-- Read the next workers of a set. Returns false where the index was wrong, which is mended: then all is read anew.
local function read_page(view)
  local page = redis.call('ZRANGE', index_slots_key(view.set), view.read, view.read + PAGE - 1, 'WITHSCORES')
  local now = now_ms()
  for i = 1, #page, 2 do
    local score = tonumber(page[i + 1])
    if score >= 2 * TIER then break end
    local worker = read_state(page[i], view.text, view.set)
    if not worker or worker.set ~= view.set or worker.score ~= score then
      index_worker(page[i])
      redis.call('ZREM', index_slots_key(view.set), page[i])  -- Whatever else the index says of it.
      if worker and worker.set then redis.call('ZADD', index_slots_key(worker.set), worker.score, worker.id) end
      return false
    end
    view.read, view.last = view.read + 1, {id = worker.id, score = score}
    if now - worker.heartbeat <= fresh_ms then
      worker.taken = worker.taken + (promised[worker.id] or 0)
      worker.score = slot_score(worker.taken, worker.capacity, worker.over, worker.lag)
      insert(view.list, worker)
    else
      redis.call('ZADD', index_heartbeats_key(view.set), worker.heartbeat, worker.id)
    end
  end
  view.is_whole = #page < 2 * PAGE or tonumber(page[#page]) >= 2 * TIER
  return true
end

-- The first worker of a set that has a slot below this score. The second value is true where the index was wrong.
local function first_worker(view, avoid, limit)
  local i = 1
  while true do
    local worker = view.list[i]
    while not view.is_whole and not (view.last and (view.last.score >= limit
        or worker and not is_before(view.last, worker))) do
      if not read_page(view) then return nil, true end
      worker = view.list[i]
    end
    if not worker or worker.score >= limit then return nil end
    if not avoid[worker.id] then return worker end
    i = i + 1
  end
end

local function is_better(a, b)
  if a.has ~= b.has then return a.has > b.has end
  return is_before(a.worker, b.worker)
end

local function choose_in(step, asked, avoid)
  local best
  for _, view in ipairs(views) do
    local model, has = fitting(view.models, asked, step.model)
    if model then
      local worker, was_wrong = first_worker(view, avoid, step.over and 2 * TIER or TIER)
      if was_wrong then return nil, true end
      local found = worker and {worker = worker, model = model, has = has, step = step, view = view}
      if found and (not best or is_better(found, best)) then best = found end
    end
  end
  return best
end

-- The best slot for a request, by the first of its steps that finds one. Every step beyond the capacity comes behind
-- one within it for the same model, so that only full workers are left for it.
local function choose(asked)
  local avoid, at = set(asked.avoid), 1
  while asked.steps[at] do
    local best, was_wrong = choose_in(asked.steps[at], asked, avoid)
    if best then return best end
    if was_wrong then reopen_views() else at = at + 1 end
  end
end

-- Count a slot as taken by a session that will get it.
local function promise(slot)
  local worker, list = slot.worker, slot.view.list
  for i, each in ipairs(list) do
    if each == worker then
      table.remove(list, i)
      break
    end
  end
  promised[worker.id] = (promised[worker.id] or 0) + 1
  worker.taken = worker.taken + 1
  worker.score = slot_score(worker.taken, worker.capacity, worker.over, worker.lag)
  insert(list, worker)
end

local function has_free_slot()
  for _, view in ipairs(views) do
    local worker, was_wrong = first_worker(view, EMPTY, TIER)
    if was_wrong then
      reopen_views()
      return has_free_slot()
    end
    if worker then return true end
  end
  return false
end

-- The number of workers, of those among them that have a model for a request, free or not, and of the sessions on these.
local function count_workers(asked)
  local live, fits, taken, since = 0, 0, 0, now_ms() - fresh_ms
  for _, view in ipairs(views) do
    view.live = view.live or redis.call('ZCOUNT', index_heartbeats_key(view.set), since, '+inf')
    live = live + view.live
    for _, step in ipairs(asked.steps) do
      if view.live > 0 and fitting(view.models, asked, step.model) then
        fits = fits + view.live
        taken = taken + tonumber(redis.call('HGET', INDEX_SESSIONS, view.set) or 0)
        break
      end
    end
  end
  return live, fits, taken
end

-- Count as taken the slots that waiting sessions will get, in order, before the one at which `ends_at` is true;
-- returns the ids of those that get one. Ends as soon as no slot is left: who waits takes none beyond the capacity.
local function serve_queue(ends_at)
  local served, requests, refused = {}, {}, {}
  if redis.call('EXISTS', QUEUE) == 0 or not has_free_slot() then return served end
  local queue = redis.call('ZRANGE', QUEUE, 0, -1, 'WITHSCORES')
  for i = 1, #queue, 2 do
    local waiting = queue[i]
    if ends_at and ends_at(waiting, tonumber(queue[i + 1])) then break end
    local text = redis.call('HGET', QUEUE_REQUESTS, waiting)
    local from, to = text:find(waiting, 1, true)
    local kind = from and text:sub(1, from - 1) .. text:sub(to + 1) or text  -- The same text, the same request.
    if not refused[kind] then
      requests[kind] = requests[kind] or cjson.decode(text)
      local slot = choose(requests[kind])
      if slot then
        promise(slot)
        served[#served + 1] = waiting
      else
        refused[kind] = true
        if not has_free_slot() then break end
      end
    end
  end
  return served
end

-- Tell the gateways which waiting sessions would get a slot now: these ask for it.
local function announce_slots()
  if redis.call('ZCARD', QUEUE) == 0 then return end
  open_views(WAKE_FRESH_MS)
  local served = serve_queue()
  if #served > 0 then redis.call('PUBLISH', CHANNEL, 'places ' .. table.concat(served, ' ')) end
end
