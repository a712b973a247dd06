"""The streaming transport: one WebSocket between relay and worker, in place of many calls.

`frames.py` is the format, without I/O. `channel.py` and `visit_channel.py` are one visit on the
link, at the relay's and at the worker's end, with flow control for both bodies. `link.py` carries
the frames of all channels, and is the same at both ends. `relay_end.py` sends visits over it,
`worker_end.py` receives them. The transport is negotiated: a relay or a worker without it uses long
polling.
"""
