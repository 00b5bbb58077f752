-- Write the slots of running sessions again, into a Redis that lost its data.
-- ARGV: lease (ms), sessions (JSON: session, worker, age (ms) and the fields of the hash)
-- Returns the number of those that hold a slot now; a session that is over stays over.
local now, held = now_ms(), 0
for _, known in ipairs(cjson.decode(ARGV[2])) do
  local key = session_key(known.session)
  local status, by, at = unpack(redis.call('HMGET', key, 'status', 'ended_by', 'worker_id'))
  local elsewhere = status == 'active' and at ~= known.worker
  if not elsewhere and (not status or status == 'active' or by == 'sweep') then
    redis.call('ZREM', STARTED, known.session)
    assign_slot(known.session, known.worker, now - known.age, now + ARGV[1])
    redis.call('HSET', key, 'worker_id', known.worker, 'status', 'active')
    for field, value in pairs(known.fields) do redis.call('HSET', key, field, value) end
    refresh(known.worker)
    held = held + 1
  end
end
return held
