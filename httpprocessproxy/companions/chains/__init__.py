"""X-Forward chains (`--forward-chains`): the response of one server is sent on to the next.

Without I/O: `chain.py` parses and extends the chain fields, `reports.py` formats an error report,
`loop_detector.py` recognises chains that were here before. `exchange.py` sends a request to the
backend and captures its response; `deliveries.py` and `error_reports.py` send requests to other
servers, only those that `allowlist.py` allows; `hop_reporter.py` publishes what happened to hops;
`companion.py` puts them together.
"""
