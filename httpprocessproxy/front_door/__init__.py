"""The front door: HTTPS, HTTP/2 and HTTP/3 in front of the core (`--tls`, `--http3`).

`certificates.py` and `trust.py` have the identity, `door.py` the TCP port, where HTTP/1.1 over
TLS goes to the data plane itself. `http2.py` and `http3.py` end their protocols, and hand each
request to a `streams.Handler`: `bridge.py` sends it to the core's private socket as HTTP/1.1.
"""
