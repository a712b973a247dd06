"""The end beside the server: it fetches visits from the relay, and returns the server's answers.

`visit_handler.py` handles one visit: `policy.py` decides whether it is allowed, and a site answers
it (`interfaces.py`). Beside the proxy that is its data plane, in process (`proxy_site.py`); for the
worker as a program, `cli.py`, it is the server at an address (`local_site.py`), with an HTTP client
(`local.py`) and its idle connections (`connections.py`).

`polling.py` is the long polling, `share/stream/` the streaming transport; `worker.py` chooses
between them and reconnects, `relay_status.py` reports the connection and sets the back-off.
`companion.py` is the share beside the proxy, `options.py` parses its options, and `announcing.py`
prints the public URL.
"""
