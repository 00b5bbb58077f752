-- Say that sessions still wait, and read where they are in the queue.
-- ARGV: now (ISO), heartbeat timeout (ms), lease (ms), session TTL (s), queue lease (ms), session, session, ...
-- Returns {the numbers of wait_estimate, {session, position, fitting workers, sessions on these, 1 if a slot is
-- free for it}, ...}, without the sessions that are not in the queue.
local now_iso, timeout_ms, lease_ms, ttl, queue_lease_ms = unpack(ARGV, 1, 5)
local now = now_ms()
local since = up_since(now)
local expired, lapsed = free_expired(now, since, tonumber(lease_ms), now_iso, ttl)
local counts, answer = {}, {{wait_estimate(now)}}
open_views(tonumber(timeout_ms))
for i = 6, #ARGV do
  local session = ARGV[i]
  local rank = redis.call('ZRANK', QUEUE, session)
  if rank then
    local asked = cjson.decode(redis.call('HGET', QUEUE_REQUESTS, session))
    local kind = asked.kind or session
    counts[kind] = counts[kind] or {count_workers(asked)}
    redis.call('ZADD', QUEUE_LEASES, now + queue_lease_ms, session)
    answer[#answer + 1] = {session, rank + 1, counts[kind][2], counts[kind][3], 0}
  end
end
local served = set(serve_queue())
for i = 2, #answer do answer[i][5] = served[answer[i][1]] and 1 or 0 end
if #expired + lapsed > 0 then announce_slots() end
return answer
