"""The end beside the server: fetches visits from the relay, plays them, brings the answers.

`player.py` plays one visit: `policy.py` says whether, `local.py` is the client of the server, and
`connections.py` keeps what leads there for the next visit. `polling.py` is the long polling,
`share/stream/` what takes its place where the relay knows it, `worker.py` chooses between them and
comes back when the relay has gone. `announcing.py` is what the user reads of it, `cli.py` the
worker as a program of its own.
"""
