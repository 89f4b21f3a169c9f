-- Asks for one path, or for those of many tags in turn (`TAGS=n` in the environment), and prints one line
-- that the program reads: requests, microseconds, refused, failed connections, p50, p99 and p99.9 in µs.
local tags = tonumber(os.getenv("TAGS") or "0")

if tags > 0 then
    local requests, turn = {}, 0
    init = function()
        for tag = 1, tags do
            requests[tag] = wrk.format("GET", "/alloc?biz_tag=many" .. tag)
        end
    end
    request = function()
        turn = turn % tags + 1
        return requests[turn]
    end
end

done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        "RESULT %d %d %d %d %d %d %d\n",
        summary.requests, summary.duration, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)
    ))
end
