-- wrk's script: posts the feedback of one student after the other, and reports as JSON.
-- Arguments: the body with %s for the student, the number of students, the traceparent with %s for
-- the last 16 digits of the trace id. These are spread evenly, because samplers compare them.
local requests, last = {}, 0

function init(args)
  for student = 1, tonumber(args[2]) do
    local spread = math.floor(student * 0.6180339887 % 1 * 2 ^ 32)
    local traceparent = string.format(args[3], string.format("%08x%08x", spread, student))
    local headers = {["Content-Type"] = "application/json", ["traceparent"] = traceparent}
    local body = string.format(args[1], string.format("%032d", student))
    requests[student] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
