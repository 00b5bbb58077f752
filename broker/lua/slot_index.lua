-- Keeps an index of the workers, so that no script has to look at all of them. Stands first in each script.
-- Workers that have the same models are one set of the index, by the digest of these models. The index follows from
-- the workers' hashes and their sets of sessions, which alone are the truth: a gateway or a worker of a version that
-- does not know the index changes these without it. So who takes an entry from it looks whether it is true, and
-- each sweep mends all of them.

local STEP, TIER = 2 ^ 24, 2 ^ 48

-- The order in which workers are chosen, smaller first: the share of slots that are taken, then the lag (ms). Below
-- TIER a slot is free, below 2 * TIER one beyond the capacity. Two shares differ by more than 1 / STEP where workers
-- have fewer than 4,096 slots, and all 50 bits are exact in a score.
local function slot_score(taken, capacity, over, lag)
  local late = math.max(0, math.min(math.floor(lag * 1000 + 0.5), STEP - 1))
  if taken < capacity then return math.floor(taken / capacity * STEP) * STEP + late end
  if taken < over then return TIER + math.floor(taken / over * STEP) * STEP + late end
  return 2 * TIER
end

-- What a worker is. `set` is nil where it takes no sessions; an entry without the fields of ours, as another program
-- may write it, is nil as a whole. `models` and `set` are a text of models whose digest is known already.
local function read_state(worker, models, set)
  local status, heartbeat, capacity, over, lag, loaded = unpack(redis.call(
    'HMGET', worker_key(worker), 'status', 'heartbeat_ms', 'capacity', 'degraded_capacity', 'lag', 'models'))
  heartbeat, capacity = tonumber(heartbeat or ''), tonumber(capacity or '')
  if not (status and heartbeat and capacity and loaded) then return nil end
  local state = {id = worker, status = status, heartbeat = heartbeat, capacity = capacity,
                 over = math.max(tonumber(over or '') or 0, capacity), lag = tonumber(lag or '') or 0,
                 models = loaded, taken = redis.call('SCARD', worker_sessions_key(worker))}
  state.score = slot_score(state.taken, state.capacity, state.over, state.lag)
  if status == 'ready' or status == 'busy' then
    state.set = loaded == models and set or redis.sha1hex(loaded)
  end
  return state
end

local function leave_set(set, worker, taken)
  redis.call('ZREM', index_slots_key(set), worker)
  redis.call('ZREM', index_heartbeats_key(set), worker)
  redis.call('HINCRBY', INDEX_SESSIONS, set, string.format('%d', -taken))
  if redis.call('EXISTS', index_heartbeats_key(set)) == 0 then
    redis.call('HDEL', INDEX_MODELS, set)
    redis.call('HDEL', INDEX_SESSIONS, set)
  end
end

-- Write to the index what a worker is. Returns true where more of its slots may be free than the index knew.
local function index_state(worker, state)
  local before = redis.call('HGET', INDEX_WORKERS, worker)
  local set, taken, score = (before or ''):match('^(%x+) (%d+) (%d+) ')
  local is_used = state and state.set
  if set and set ~= is_used then
    leave_set(set, worker, tonumber(taken))
    set = nil
  end
  local after = is_used and string.format('%s %d %.0f %.0f', is_used, state.taken, state.score, state.heartbeat) or ''
  if after == before then return false end
  redis.call('HSET', INDEX_WORKERS, worker, after)
  if not is_used then return false end
  redis.call('ZADD', index_heartbeats_key(is_used), state.heartbeat, worker)
  if not set then redis.call('HSET', INDEX_MODELS, is_used, state.models) end
  local known = set and tonumber(score)
  if known ~= state.score then redis.call('ZADD', index_slots_key(is_used), state.score, worker) end
  local more = state.taken - (set and tonumber(taken) or 0)
  if more ~= 0 then redis.call('HINCRBY', INDEX_SESSIONS, is_used, more) end
  return not known or math.floor(state.score / STEP) < math.floor(known / STEP)
end

-- Bring the index up to date for a worker.
local function index_worker(worker)
  return index_state(worker, read_state(worker))
end

-- Remove a worker from the index whose hash is gone.
local function forget_worker(worker)
  index_worker(worker)
  redis.call('HDEL', INDEX_WORKERS, worker)
end

-- Index the workers that the index does not know, and forget those that are gone: who wrote them does not know it.
local function complete_index()
  if redis.call('SCARD', WORKERS) == redis.call('HLEN', INDEX_WORKERS) then return end
  local known = {}
  for _, worker in ipairs(redis.call('SMEMBERS', WORKERS)) do
    known[worker] = true
    if redis.call('HEXISTS', INDEX_WORKERS, worker) == 0 then index_worker(worker) end
  end
  for _, worker in ipairs(redis.call('HKEYS', INDEX_WORKERS)) do
    if not known[worker] then forget_worker(worker) end
  end
end
