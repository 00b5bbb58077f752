-- Read the numbers from which the wait for a slot is estimated.
-- Returns {waiting sessions, running sessions, endings, their ms, median age in ms}.
return {redis.call('ZCARD', QUEUE), wait_estimate(now_ms())}
