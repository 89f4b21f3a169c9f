-- Asks for names that no tag has, each once, and prints one line that the program reads: requests, microseconds.
local threads = 0

setup = function(thread)
    threads = threads + 1
    thread:set("part", threads)
end

local number = 0
request = function()
    number = number + 1
    return wrk.format("GET", "/alloc?biz_tag=none-" .. part .. "-" .. number .. os.getenv("FLOOD"))
end

done = function(summary)
    io.write(string.format("RESULT %d %d\n", summary.requests, summary.duration))
end
