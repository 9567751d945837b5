-- wrk's script: sends the requests of a folder, 1.http, 2.http and so on, and reports as JSON.
-- Each "KEY-000000000000" becomes another Idempotency-Key. Arguments: the folder, how many there are.
local threads, requests, last = 0, {}, 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  for index = 1, tonumber(args[2]) do
    local file = assert(io.open(args[1] .. "/" .. index .. ".http", "rb"))
    requests[index] = file:read("*a")
    file:close()
  end
end

function request()
  last = last + 1
  local key = string.format("KEY-%03d%09d", number, last)
  return (string.gsub(requests[last % #requests + 1], "KEY%-000000000000", key))
end

function done(summary)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "refused": %d, "errors": %d}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
