"""The benchmark: speed, restart times and memory of the proxy and its peers, in one run.

`python -m test.benchmark --quick` tries every part, README.rst explains the figures.
`peers/` starts the proxies, `restarters` the reloading servers; `load`, `tls`, `front`, `transfer`,
`websocket`, `stall`, `restart` and `idle` measure, one file a part; `samples` stores the values
and `report` prints them. Within a round all contestants take their turn at one measure before the
next begins.
"""
