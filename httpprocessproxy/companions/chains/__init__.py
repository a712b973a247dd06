"""X-Forward chains (`--forward-chains`): the answer of one server goes on to the next.

Without I/O: `chain.py` parses and extends a chain of such fields, `reports.py` formats an error
report, `loop_detector.py` recognises chains that were here before. `exchange.py` sends a request to
the backend and captures its answer; `deliveries.py` and `error_reports.py` call other servers, only
those that `allowlist.py` allows; `companion.py` puts them together.
"""
