"""A public URL for a server on one's desk: a relay in public, workers beside the server.

`protocol.py` is what both say to each other, as the pure rules of it. `relay/` is the public end,
`worker/` the end beside the server, `stream/` one WebSocket between them in place of many calls.

    visitor -> relay <- worker -> server
"""
