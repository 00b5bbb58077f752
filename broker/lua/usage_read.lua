-- Read what accounts use.
-- ARGV: lease (ms), account, account, ...
-- Returns for each {sessions, audio of today (ms)}.
local now, answer = now_ms(), {}
for i = 2, #ARGV do
  answer[#answer + 1] = {usage_sessions(ARGV[i], now, tonumber(ARGV[1])), usage_audio(ARGV[i], now)}
end
return answer
