"""The public end of `--share`: visitors connect by HTTP, workers fetch visits and return answers.

Read `visit.py` first: a visit is one request of a visitor. `visitors.py` makes a visit of each
request, `rendezvous.py` queues visits until a worker takes them, `polls.py` is the workers' long
polling, `server.py` routes requests, and `application.py` puts it together.
"""
