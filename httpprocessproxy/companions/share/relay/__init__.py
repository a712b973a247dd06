"""The public end: visitors come in by HTTP, workers fetch their visits and bring the answers.

Read `visit.py` first: a visit is all that the rest deals with. `visitors.py` makes one of each
request, `rendezvous.py` says how visits and workers find each other (`memory.py` in one process,
`shared/` in many, over Redis), `polls.py` is the workers' long polling, `server.py` tells who is
who, and `application.py` puts it together.
"""
