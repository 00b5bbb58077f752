-- What the scripts share. Every transition is one script, and each is safe to repeat.
-- A worker's load is the size of its set of sessions; active_sessions only shows it.

local AWAY_MS = 3000  -- workers and brokers call every second: after a longer pause Redis was away

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Since when the callers can reach this Redis. Beats and leases that ran out while it was away say
-- nothing: whoever lives gets the time to say so.
local function reached_since(now)
  local last, since = unpack(redis.call('HMGET', PULSE, 'last', 'since'))
  if not last or now - tonumber(last) > AWAY_MS then
    since = now
    redis.call('HSET', PULSE, 'since', now)
  end
  redis.call('HSET', PULSE, 'last', now)
  return tonumber(since)
end

local function is_fresh(worker, timeout_ms)
  local beat = tonumber(redis.call('HGET', worker_key(worker), 'heartbeat_ms') or '')
  return beat ~= nil and now_ms() - beat <= timeout_ms
end

-- Write what follows from the set of sessions; a worker that is draining or offline stays so.
local function refresh(worker)
  local key = worker_key(worker)
  local status, capacity = unpack(redis.call('HMGET', key, 'status', 'capacity'))
  if not status then return end
  local active = redis.call('SCARD', worker_sessions_key(worker))
  redis.call('HSET', key, 'active_sessions', active)
  if status == 'ready' or status == 'busy' then
    redis.call('HSET', key, 'status', active >= tonumber(capacity) and 'busy' or 'ready')
  end
end

-- Who waits for a place looks again.
local function wake()
  if redis.call('ZCARD', QUEUE) > 0 then redis.call('PUBLISH', CHANNEL, 'places') end
end

local function leave_queue(session)
  redis.call('ZREM', QUEUE_LEASES, session)
  redis.call('HDEL', QUEUE_REQUESTS, session)
  return redis.call('ZREM', QUEUE, session)
end

-- `by` is 'gateway' where the session is over, 'sweep' where it may ask for another place.
local function end_session(session, status, by, ended_at, ttl)
  redis.call('SREM', ACTIVE, session)
  redis.call('ZREM', LEASES, session)
  redis.call('ZREM', STARTED, session)
  redis.call('HSET', session_key(session), 'status', status, 'ended_at', ended_at, 'ended_by', by)
  redis.call('EXPIRE', session_key(session), ttl)
end

local function note_ending(now)
  redis.call('LPUSH', ENDINGS, now)
  redis.call('LTRIM', ENDINGS, 0, 63)
end

-- Free all places of a worker that is gone; its sessions end with status error.
local function free_sessions(worker, ended_at, ttl)
  local sessions = redis.call('SMEMBERS', worker_sessions_key(worker))
  for _, session in ipairs(sessions) do end_session(session, 'error', 'sweep', ended_at, ttl) end
  redis.call('DEL', worker_sessions_key(worker))
  return sessions
end

-- Free the places of sessions whose gateway is gone, and drop the positions of those that waited there.
local function free_expired(now, since, lease_ms, ended_at, ttl)
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', QUEUE_LEASES, '-inf', now)) do leave_queue(session) end
  if now - since < lease_ms then return {} end
  local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now)
  for _, session in ipairs(expired) do
    local worker = redis.call('HGET', session_key(session), 'worker_id')
    end_session(session, 'error', 'sweep', ended_at, ttl)
    note_ending(now)
    if worker then
      redis.call('SREM', worker_sessions_key(worker), session)
      refresh(worker)
    end
  end
  return expired
end

-- Give a session a place, or note again the one that it has.
local function hold(session, worker, started, expires)
  redis.call('SADD', worker_sessions_key(worker), session)
  redis.call('SADD', ACTIVE, session)
  redis.call('ZADD', LEASES, expires, session)
  redis.call('ZADD', STARTED, 'NX', started, session)
  redis.call('PERSIST', session_key(session))
  redis.call('HDEL', session_key(session), 'ended_at', 'ended_by')
end

-- Forget that a worker serves, and say so. Returns its sessions, which are freed.
local function lose(worker, ended_at, ttl)
  local sessions = free_sessions(worker, ended_at, ttl)
  redis.call('HSET', worker_key(worker), 'status', 'offline', 'active_sessions', 0)
  redis.call('EXPIRE', worker_key(worker), ttl)
  redis.call('PUBLISH', CHANNEL, 'offline ' .. worker)
  return sessions
end

-- What is known of when a place comes free: sessions, endings of the last minute, the time in which they
-- were (ms), and the age of the session in the middle (ms).
local function outlook(now)
  local active, count, first, age = redis.call('ZCARD', STARTED), 0, now, 0
  for _, at in ipairs(redis.call('LRANGE', ENDINGS, 0, -1)) do
    if now - at <= 60000 then count, first = count + 1, tonumber(at) end
  end
  if active > 0 then
    local middle = math.floor((active - 1) / 2)
    age = now - redis.call('ZRANGE', STARTED, middle, middle, 'WITHSCORES')[2]
  end
  return active, count, now - first, age
end
