"""X-Forward chains (`--forward-chains`): what one server answers goes on to the next.

`chain.py` says what a chain of such fields is and what becomes of it, `reports.py` how an error is
told, `seen.py` which chains have been here: all without I/O. `exchange.py` stands between a request
and the backend, `deliveries.py` and `telling.py` call others in the background, and only those that
`destinations.py` allows; `companion.py` puts them together.
"""
