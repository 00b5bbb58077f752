-- Remove a session from the queue.
-- ARGV: session
-- Returns 1 if the session waited.
local waited = leave_queue(ARGV[1])
if waited == 1 then announce_slots() end
return waited
