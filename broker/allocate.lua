-- Give a session a place on the fitting worker that has the largest share of its places free.
-- ARGV: session, model, language, avoid (worker ids, JSON), heartbeat timeout (ms), now (ISO)
-- Returns {'placed', worker, endpoint, model}, {'over'}, or {'none', live workers, fitting workers}.
local session, model, language, avoid_json, timeout_ms, now = unpack(ARGV)
local avoid = {}
for _, worker in ipairs(cjson.decode(avoid_json)) do avoid[worker] = true end

local function fitting_model(worker)
  for _, m in ipairs(cjson.decode(redis.call('HGET', worker_key(worker), 'models'))) do
    if m.variant == model or m.name == model then
      if language == 'auto' then return m.name end
      for _, spoken in ipairs(m.languages) do
        if spoken == language then return m.name end
      end
    end
  end
end

local function placed(worker, name)
  return {'placed', worker, redis.call('HGET', worker_key(worker), 'endpoint'), name}
end

-- Asked again: the same answer, unless the caller could not reach that worker. A session that is over
-- stays over: its release may have overtaken an allocation whose answer was lost.
local status, at, name = unpack(redis.call('HMGET', session_key(session), 'status', 'worker_id', 'model_name'))
if status and status ~= 'active' then return {'over'} end
if status and redis.call('SISMEMBER', worker_sessions_key(at), session) == 1 then
  if not avoid[at] then return placed(at, name) end
  redis.call('SREM', worker_sessions_key(at), session)
  refresh(at)
end

local best, live, fitting = nil, 0, 0
for _, worker in ipairs(redis.call('SMEMBERS', WORKERS)) do
  local state, capacity, lag = unpack(redis.call('HMGET', worker_key(worker), 'status', 'capacity', 'lag'))
  if (state == 'ready' or state == 'busy') and is_fresh(worker, tonumber(timeout_ms)) then
    live = live + 1
    local fit = fitting_model(worker)
    if fit then fitting = fitting + 1 end
    local free = tonumber(capacity) - redis.call('SCARD', worker_sessions_key(worker))
    if fit and free > 0 and not avoid[worker] then
      local candidate = {share = free / tonumber(capacity), lag = tonumber(lag) or 0, worker = worker, model = fit}
      if not best or candidate.share > best.share
          or (candidate.share == best.share and (candidate.lag < best.lag
              or (candidate.lag == best.lag and candidate.worker < best.worker))) then
        best = candidate
      end
    end
  end
end

if not best then
  redis.call('SREM', ACTIVE, session)
  redis.call('DEL', session_key(session))
  return {'none', live, fitting}
end
redis.call('SADD', worker_sessions_key(best.worker), session)
redis.call('SADD', ACTIVE, session)
redis.call('HSET', session_key(session), 'worker_id', best.worker, 'status', 'active', 'language', language,
           'model', model, 'model_name', best.model, 'started_at', now, 'audio_duration', '0',
           'enhance_on_end', 'false')
refresh(best.worker)
return placed(best.worker, best.model)
