"""The HTTP service of tickets: an aiohttp application, standalone or mounted in another one.

`opening.py` assembles a service and has its routes, `server.py` runs it as a program, and
`context.py` has the rules and the objects that handlers share. `generating.py` creates tickets,
`downloading.py` sends their archives, `streaming.py` forwards one URL; `waiting.py` is the queue's
WebSocket and `queue.py` the queue. `answers.py` has the errors and header fields of responses.
"""
