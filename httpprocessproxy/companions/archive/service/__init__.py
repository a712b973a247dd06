"""The HTTP service of tickets: an aiohttp application, standalone or mounted in another one.

`application.py` has the routes, `context.py` the rules and the objects that handlers share.
`generating.py` creates tickets, `downloading.py` sends their archives, `streaming.py` forwards one
URL; `waiting.py` is the queue's WebSocket and `queue.py` the queue. `answers.py` has the errors and
header fields of all responses; `opening.py` assembles a service, and `server.py` runs it as a
program.
"""
