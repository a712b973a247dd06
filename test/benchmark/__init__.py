"""How fast, how soon, how heavy: us and our peers, side by side in one run.

`python -m test.benchmark --quick` tries every part, README.rst says how to read the figures.
`peers/` starts the proxies, `restarters` the reloading servers; `load`, `tls`, `front`, `transfer`,
`websocket`, `stall`, `restart` and `idle` measure, one file a part; `samples` keeps what they saw
and `report` prints it. Within a round all contestants take their turn at one measure before the
next begins.
"""
