-- Holds the functions that the scripts share. Every transition is one script, and each is safe to repeat.
-- A worker's load is the size of its set of sessions; the field active_sessions only shows it.

local UNREACHABLE_MS = 3000  -- of no call at all: workers and brokers call every second, so Redis was unreachable
local EXPIRED_AT_ONCE = 100  -- sessions: all others wait for a call
local DAY_MS = 86400000

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The time since which callers can reach this Redis (ms), updated by this call. Heartbeats and leases that ran
-- out while nobody could reach it prove nothing: their owners first get the time to renew them.
local function up_since(now)
  local last_call, since = unpack(redis.call('HMGET', AVAILABILITY, 'last', 'since'))
  local is_ahead = since and tonumber(since) > now  -- The clock was set back.
  if not last_call or is_ahead or now - tonumber(last_call) > UNREACHABLE_MS then
    since = now
    redis.call('HSET', AVAILABILITY, 'since', now)
  end
  redis.call('HSET', AVAILABILITY, 'last', now)
  return tonumber(since)
end

-- A heartbeat from the future is one from before the clock was set back: it counts as one of now.
local function is_fresh(worker, timeout_ms)
  local heartbeat, now = tonumber(redis.call('HGET', worker_key(worker), 'heartbeat_ms') or ''), now_ms()
  if heartbeat and heartbeat > now then redis.call('HSET', worker_key(worker), 'heartbeat_ms', now) end
  return heartbeat ~= nil and now - heartbeat <= timeout_ms
end

-- The models in the field of a worker's hash, nil where another program wrote what is none.
local function read_models(text)
  local ok, models = pcall(cjson.decode, text)
  if not ok or type(models) ~= 'table' then return nil end
  for _, model in ipairs(models) do
    if type(model) ~= 'table' or type(model.languages) ~= 'table' then return nil end
    if type(model.features) ~= 'table' then model.features = {} end
  end
  return models
end

-- Update what follows from the worker's set of sessions; a worker that is draining or offline stays so. Returns true
-- where more of its slots may be free than before.
local function refresh(worker)
  local state = read_state(worker)
  if not state then return false end
  if state.set then state.status = state.taken >= state.capacity and 'busy' or 'ready' end
  redis.call('HSET', worker_key(worker), 'active_sessions', state.taken, 'status', state.status)
  return index_state(worker, state)
end

local function leave_queue(session)
  redis.call('ZREM', QUEUE_LEASES, session)
  redis.call('HDEL', QUEUE_REQUESTS, session)
  return redis.call('ZREM', QUEUE, session)
end

-- `by` is 'gateway' where the session is over, 'sweep' where it may ask for another slot.
local function end_session(session, status, by, ended_at, ttl)
  redis.call('SREM', ACTIVE, session)
  redis.call('ZREM', LEASES, session)
  redis.call('ZREM', STARTED, session)
  redis.call('HSET', session_key(session), 'status', status, 'ended_at', ended_at, 'ended_by', by)
  redis.call('EXPIRE', session_key(session), ttl)
end

-- Remember when the last 64 slots came free, for the estimate of the wait.
local function record_ending(now)
  redis.call('LPUSH', ENDINGS, now)
  redis.call('LTRIM', ENDINGS, 0, 63)
end

-- Free all slots of a worker that is gone; its sessions end with the status error. Returns their ids.
local function free_sessions(worker, ended_at, ttl)
  local sessions = redis.call('SMEMBERS', worker_sessions_key(worker))
  for _, session in ipairs(sessions) do end_session(session, 'error', 'sweep', ended_at, ttl) end
  redis.call('DEL', worker_sessions_key(worker))
  return sessions
end

-- Free the slots of sessions whose gateway is gone, as many as a call has time for, and remove its waiting sessions
-- from the queue. Returns the ids of the sessions that had a slot, and the number of those that waited.
local function free_expired(now, since, lease_ms, ended_at, ttl)
  local lapsed = redis.call('ZRANGEBYSCORE', QUEUE_LEASES, '-inf', now)
  for _, session in ipairs(lapsed) do leave_queue(session) end
  if now - since < lease_ms then return {}, #lapsed end
  local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, EXPIRED_AT_ONCE)
  for _, session in ipairs(expired) do
    local worker = redis.call('HGET', session_key(session), 'worker_id')
    end_session(session, 'error', 'sweep', ended_at, ttl)
    record_ending(now)
    if worker then
      redis.call('SREM', worker_sessions_key(worker), session)
      refresh(worker)
    end
  end
  return expired, #lapsed
end

-- Give a session a slot on a worker, or write again the one that it has.
local function assign_slot(session, worker, started, expires)
  redis.call('SADD', worker_sessions_key(worker), session)
  redis.call('SADD', ACTIVE, session)
  redis.call('ZADD', LEASES, expires, session)
  redis.call('ZADD', STARTED, 'NX', started, session)
  redis.call('PERSIST', session_key(session))
  redis.call('HDEL', session_key(session), 'ended_at', 'ended_by')
end

-- Mark a worker offline and announce it. Frees its sessions and returns their ids.
local function mark_offline(worker, ended_at, ttl)
  local sessions = free_sessions(worker, ended_at, ttl)
  redis.call('HSET', worker_key(worker), 'status', 'offline', 'active_sessions', 0)
  redis.call('EXPIRE', worker_key(worker), ttl)
  index_worker(worker)
  redis.call('PUBLISH', CHANNEL, 'offline ' .. worker)
  return sessions
end

-- The numbers from which a wait is estimated: running sessions, endings of the last minute, the time over which
-- these are spread (ms), and the median age of the running sessions (ms).
local function wait_estimate(now)
  local active, count, earliest, age = redis.call('ZCARD', STARTED), 0, now, 0
  for _, at in ipairs(redis.call('LRANGE', ENDINGS, 0, -1)) do
    if now - at <= 60000 then count, earliest = count + 1, tonumber(at) end
  end
  if active > 0 then
    local middle = math.floor((active - 1) / 2)
    age = now - redis.call('ZRANGE', STARTED, middle, middle, 'WITHSCORES')[2]
  end
  return active, count, now - earliest, age
end

-- How many sessions count for an account; those whose gateway is gone count no more.
local function usage_sessions(account, now, lease_ms)
  local key = usage_sessions_key(account)
  if now - up_since(now) >= lease_ms then
    for _, session in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', now)) do
      redis.call('ZREM', key, session)
      redis.call('HDEL', usage_audio_key(account), session)
    end
  end
  return redis.call('ZCARD', key)
end

-- The audio that an account used today (ms). A day begins at midnight UTC.
local function usage_audio(account, now)
  local key, today = usage_audio_key(account), math.floor(now / DAY_MS)
  local day, used = unpack(redis.call('HMGET', key, 'day', 'used'))
  return tonumber(day or '') == today and tonumber(used) or 0
end

-- Have a session count for an account until its lease ends.
local function hold_usage(account, session, ends)
  local key = usage_sessions_key(account)
  redis.call('ZADD', key, ends, session)
  redis.call('PEXPIREAT', key, redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2] + UNREACHABLE_MS)
end
