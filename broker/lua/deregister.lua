-- Remove a worker that leaves. Only the process that registered last may do so.
-- ARGV: worker, incarnation, now (ISO), session TTL (s)
-- Returns 1 if the worker was there.
local worker, incarnation, now, ttl = unpack(ARGV)
if redis.call('HGET', worker_key(worker), 'incarnation') ~= incarnation then return 0 end
mark_offline(worker, now, ttl)
redis.call('DEL', worker_key(worker))
redis.call('SREM', WORKERS, worker)
forget_worker(worker)
return 1
