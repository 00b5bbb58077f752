-- Read what is known of when a place comes free.
-- Returns {waiting, sessions, endings, their ms, age}.
return {redis.call('ZCARD', QUEUE), outlook(now_ms())}
