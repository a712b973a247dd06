-- The request of a browser for a module of a page: 13 fields. wrk prints one line of figures.
wrk.headers["Connection"] = "keep-alive"
wrk.headers["sec-ch-ua"] = '"Chromium";v="126", "Google Chrome";v="126", "Not-A.Brand";v="8"'
wrk.headers["sec-ch-ua-mobile"] = "?0"
wrk.headers["sec-ch-ua-platform"] = '"Linux"'
wrk.headers["User-Agent"] =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
wrk.headers["Accept"] = "*/*"
wrk.headers["Sec-Fetch-Site"] = "same-origin"
wrk.headers["Sec-Fetch-Mode"] = "cors"
wrk.headers["Sec-Fetch-Dest"] = "script"
wrk.headers["Referer"] = "http://127.0.0.1:8000/dashboard/projects/42"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br, zstd"
wrk.headers["Accept-Language"] = "en-GB,en;q=0.9,de;q=0.8"
-- Thirteen with Host, which wrk adds; the argument "close" requests a new connection each time.

function init(args)
  if args[1] == "close" then wrk.headers["Connection"] = "close" end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("figures %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
