"""The streaming transport: one WebSocket between relay and worker, in place of many calls.

`frames.py` is the format, pure. `channel.py` is one visit on the link: a body each way, neither
sent faster than it is taken. `link.py` carries the frames of all channels, the same at both ends.
`relay_end.py` puts visits on it, `worker_end.py` takes them off. It is negotiated: who does not
know it, goes on as before.
"""
