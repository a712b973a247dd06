"""Tickets over HTTP: an aiohttp application, by itself or mounted in another one.

`application.py` has the routes and what they stand on. `generating.py` makes tickets,
`downloading.py` pays them out, `streaming.py` passes on one URL; `waiting.py` is the queue's
WebSocket and `queue.py` the queue. `answers.py` is what holds for all answers, `rules.py` the
limits; `opening.py` puts a whole service together, and `server.py` runs it as a program.
"""
