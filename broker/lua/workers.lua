-- Read all workers at one moment. Fails where Redis is full, as the call of the next client would.
-- ARGV: heartbeat timeout (ms)
-- Returns {{worker, fresh (0 or 1), sessions, field, value, field, value, ...}, ...}.
local workers = {}
up_since(now_ms())  -- writes
for _, worker in ipairs(redis.call('SMEMBERS', WORKERS)) do
  local entry = {worker, is_fresh(worker, tonumber(ARGV[1])) and 1 or 0,
                 redis.call('SCARD', worker_sessions_key(worker))}
  for _, item in ipairs(redis.call('HGETALL', worker_key(worker))) do entry[#entry + 1] = item end
  workers[#workers + 1] = entry
end
return workers
