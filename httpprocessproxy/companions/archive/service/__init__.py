"""Tickets over HTTP: an aiohttp application, by itself or mounted in another one.

`application.py` has the routes, `context.py` the rules and the parts that handlers share.
`generating.py` makes tickets, `downloading.py` sends their archives, `streaming.py` forwards one
URL; `waiting.py` is the queue's WebSocket and `queue.py` the queue. `answers.py` has what all
responses share; `opening.py` assembles a service, and `server.py` runs it as a program.
"""
