"""The end beside the server: it fetches visits from the relay, and returns the server's answers.

`visit_handler.py` handles one visit: `policy.py` decides whether it is allowed, `local.py` is the
HTTP client of the server, and `connections.py` keeps its idle connections. `polling.py` is the long
polling, `share/stream/` the streaming transport; `worker.py` chooses between them and reconnects,
`relay_status.py` reports the connection and sets the back-off. `options.py` parses the options of a
share, `announcing.py` prints the public URL, and `cli.py` is the worker as a program.
"""
