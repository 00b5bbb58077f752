-- Let a worker get no new sessions until it is started again, or undo that.
-- ARGV: worker, seconds until its sessions are moved, or -1 to undo
-- Returns 1 if that is so now, 0 if the worker is not known, -1 if it is offline and so has nothing to drain.
local worker, seconds = unpack(ARGV)
local key = worker_key(worker)
local status = redis.call('HGET', key, 'status')
if not status then return 0 end
if seconds == '-1' then
  redis.call('HDEL', key, 'drain')
  if status == 'draining' then redis.call('HSET', key, 'status', 'ready') end
  refresh(worker)
  announce_slots()
elseif status == 'offline' then
  return -1
else
  redis.call('HSET', key, 'drain', seconds, 'status', 'draining')
  index_worker(worker)
end
return 1
