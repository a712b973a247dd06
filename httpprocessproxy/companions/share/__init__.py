"""A public URL for a server on a private machine: a relay in public, workers beside the server.

`protocol.py` defines the header fields of their long polling, without I/O. `relay/` is the public
end, `worker/` the end beside the server, and `stream/` the transport over one WebSocket, which
replaces many calls.

    visitor -> relay <- worker -> server
"""
