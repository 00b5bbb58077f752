-- Have a worker get nothing new until it is started again, or take that back.
-- ARGV: worker, seconds that its sessions have, or -1 to take it back
-- Returns 1 if the worker is known.
local worker, seconds = unpack(ARGV)
local key = worker_key(worker)
local status = redis.call('HGET', key, 'status')
if not status then return 0 end
if seconds == '-1' then
  redis.call('HDEL', key, 'drain')
  if status == 'draining' then redis.call('HSET', key, 'status', 'ready') end
  refresh(worker)
  wake()
else
  redis.call('HSET', key, 'drain', seconds)
  if status ~= 'offline' then redis.call('HSET', key, 'status', 'draining') end
end
return 1
