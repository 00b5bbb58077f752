-- Let a worker get no new sessions until it is started again, or undo that.
-- ARGV: worker, seconds until its sessions are moved, or -1 to undo
-- Returns 1 if the worker is known.
local worker, seconds = unpack(ARGV)
local key = worker_key(worker)
local status = redis.call('HGET', key, 'status')
if not status then return 0 end
if seconds == '-1' then
  redis.call('HDEL', key, 'drain')
  if status == 'draining' then redis.call('HSET', key, 'status', 'ready') end
  refresh(worker)
  announce_slots()
else
  redis.call('HSET', key, 'drain', seconds)
  if status ~= 'offline' then redis.call('HSET', key, 'status', 'draining') end
end
return 1
