-- Give a session a slot on the fitting worker that has the largest share of its slots free.
-- ARGV: request (JSON), now (ISO), heartbeat timeout (ms), lease (ms), session TTL (s), queue lease (ms),
--       maximum length of the queue
-- Returns {'allocated', worker, endpoint, model, variant, degraded (0 or 1)}, {'over'}, or
-- {'queued' or 'none', live workers, fitting workers, sessions on fitting workers, position, and the numbers of
-- wait_estimate}.
local request, now_iso = cjson.decode(ARGV[1]), ARGV[2]
local timeout_ms, lease_ms, ttl, queue_lease_ms, max_queue = unpack(ARGV, 3)
local session, now = request.session, now_ms()
local since = up_since(now)
local expired, lapsed = free_expired(now, since, tonumber(lease_ms), now_iso, ttl)
if #expired + lapsed > 0 then announce_slots() end

-- Whether a waiting session is not before this one.
local function is_reached(waiting, ticket)
  return waiting == session or (request.first and ticket >= 0)
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
  announce_slots()
end

open_views(tonumber(timeout_ms))
serve_queue(is_reached)  -- The slots of those before this session are not for it.
local best = choose(request)

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
  return allocated(worker, model.name, model.variant, step.degraded and 1 or 0)
end

if status then end_session(session, 'error', 'sweep', now_iso, ttl) end
local live, fits, taken = count_workers(request)
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
if leave_queue(session) == 1 then announce_slots() end
return {'none', live, fits, taken, redis.call('ZCARD', QUEUE) + 1, wait_estimate(now)}
