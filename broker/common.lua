-- What the scripts share. Every transition is one script, and each is safe to repeat.
-- A worker's load is the size of its set of sessions; active_sessions only shows it.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
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

local function end_session(session, status, ended_at, ttl)
  redis.call('SREM', ACTIVE, session)
  redis.call('HSET', session_key(session), 'status', status, 'ended_at', ended_at)
  redis.call('EXPIRE', session_key(session), ttl)
end

-- Free all places of a worker that is gone; its sessions end with status error.
local function free_sessions(worker, ended_at, ttl)
  local sessions = redis.call('SMEMBERS', worker_sessions_key(worker))
  for _, session in ipairs(sessions) do end_session(session, 'error', ended_at, ttl) end
  redis.call('DEL', worker_sessions_key(worker))
  return sessions
end
