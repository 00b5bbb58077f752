-- Read some of the workers. Fails where Redis is full, as the call of the next client would.
-- ARGV: cursor ('0' at first), heartbeat timeout (ms), 'models', 'heartbeat_ms', field, ... of a worker's hash
-- Returns {cursor for the next call, or '0', {models, ...}, {{worker, fresh (0 or 1), sessions, value or nil, ...},
-- ...}}. Most workers have the same models: their value is the position, from 0, of these in the list before.
local WORKERS_AT_ONCE = 100  -- All other calls wait for this one.
local now, timeout_ms = now_ms(), tonumber(ARGV[2])
up_since(now)  -- writes
local found, workers, texts, positions = redis.call('SSCAN', WORKERS, ARGV[1], 'COUNT', WORKERS_AT_ONCE), {}, {}, {}
for _, worker in ipairs(found[2]) do
  local values = redis.call('HMGET', worker_key(worker), unpack(ARGV, 3))
  local models, heartbeat = values[1], tonumber(values[2] or '')
  if models and not positions[models] then
    positions[models] = #texts
    texts[#texts + 1] = models
  end
  values[1] = models and positions[models]
  local is_alive = heartbeat and now - heartbeat <= timeout_ms
  workers[#workers + 1] = {worker, is_alive and 1 or 0, redis.call('SCARD', worker_sessions_key(worker)), unpack(values)}
end
return {found[1], texts, workers}
