-- For wrk: sends one request again and again, and counts the answers by their status.
-- Arguments: the file with the body, the length of its JSON part, and for each connection the milliseconds from one
-- request to the next, or 0 for at once.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local body = file:read("*a")
  file:close()
  period = tonumber(arguments[3])
  counts = ""
  seen = {}
  message = wrk.format("POST", nil, {
    ["Content-Type"] = "application/octet-stream",
    ["Inference-Header-Content-Length"] = arguments[2],
  }, body)
  math.randomseed(os.time())
end

function request()
  return message
end

function delay()
  -- Spread around the period, so that connections do not march in step.
  return period == 0 and 0 or math.floor(period * (0.5 + math.random()))
end

function response(status)
  seen[status] = (seen[status] or 0) + 1
  local parts = {}
  for code, count in pairs(seen) do
    table.insert(parts, code .. "=" .. count)
  end
  counts = table.concat(parts, " ")
end

function done(summary, latency)
  local totals = {}
  for _, thread in ipairs(threads) do
    for code, count in string.gmatch(thread:get("counts"), "(%d+)=(%d+)") do
      totals[code] = (totals[code] or 0) + tonumber(count)
    end
  end
  local parts = {}
  for code, count in pairs(totals) do
    table.insert(parts, '"' .. code .. '":' .. count)
  end
  print(string.format(
    'RESULT {"seconds":%f,"statuses":{%s},"p50":%f,"p99":%f,"max":%f,"connect":%d,"read":%d,"write":%d,"timeout":%d}',
    summary.duration / 1e6, table.concat(parts, ","), latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, summary.errors.connect, summary.errors.read, summary.errors.write, summary.errors.timeout))
end
