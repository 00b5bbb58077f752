-- A worker says that it lives: write its whole record, so that an empty Redis knows it again.
-- ARGV: worker, incarnation, draining (0 or 1), now (ISO), session TTL (s), field, value, field, value, ...
-- Returns the number of sessions that an earlier process of this worker left behind.
local worker, incarnation, draining, now, ttl = unpack(ARGV, 1, 5)
local key = worker_key(worker)
local before, status = unpack(redis.call('HMGET', key, 'incarnation', 'status'))

local left = 0
if before and before ~= incarnation then left = #free_sessions(worker, now, ttl) end

redis.call('SADD', WORKERS, worker)
redis.call('PERSIST', key)
redis.call('HDEL', key, 'gpu_memory_used', 'gpu_memory_total')
redis.call('HSET', key, 'incarnation', incarnation, 'heartbeat_ms', now_ms(),
           'status', draining == '1' and 'draining' or 'ready', unpack(ARGV, 6))
refresh(worker)
return left
