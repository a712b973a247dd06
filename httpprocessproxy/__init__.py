"""A development proxy: it restarts a web server when a file changes, and loses no request.

Rooms, from the bottom up; each imports only from rooms above it in this list.

    core         decisions without I/O: state.py is the state machine; http/, page/ and change/
    config       one table of options -> a checked, frozen Config
    system       event loop, sockets, private folders, the registry of running proxies
    events       the event bus: what happened, for the terminal, the dashboard and browsers
    process      the server as a tree of processes: start it, copy its output, end all of it
    watch        which files changed: inotify, Watchman, polling
    warm         a fork server with the imports of a Python server done (--preload)
    service      a supervised server: its supervisor and gate, its generations, its history
    inspector    the log of requests, and sending one again
    proxy        the data plane: connections from clients, connections to the server
    admin        everything under /_hpp/: dashboard, API, LiveReload; the verbs, clients of the API
    terminal     log lines, keys, opening a browser
    frontends    TLS, HTTP/2 and HTTP/3: each turns bytes into the requests of streams
    asgi         a server of ASGI applications: a program, and an import for other programs
    companions   archive, chains, share: each opt-in, known to setup.py alone
    setup, app   everything that can be found wrong before the start; the composition root
    cli          argv in, exit status out

The life of a request. `proxy/client_connection.py` reads its head and checks the host
(`core/http/reader.py`); so does `frontends/stream_client.py` for a stream of HTTP/2, HTTP/3 or a
share. Both are the `Downstream` (`proxy/interfaces.py`) of an exchange, whose life is a table in
`core/exchange.py`, obeyed by `proxy/exchange.py`. Its destination is `/_hpp/` or the server: there,
the gate (`service/gate.py`) forwards the request while the server runs and every file event is
read, holds it while the server is killed or starts, and refuses it with 503 after a crash. A
connection of the present generation (`proxy/upstream_connection.py`) keeps the head of the response
back until its body begins (`core/http/holding.py`), and passes it on byte for byte; only documents
get a script tag (`core/page/inject.py`).

The life of a save. A watcher reports paths (`watch/task.py`). `service/change_handler.py` decides:
restart, refresh browsers, or nothing. With `--before`, a build comes first (`service/builds.py`),
while the old server serves on. The machine (`core/state.py`) turns the event into a command, and
`service/supervisor.py` obeys: STOP kills the whole tree of processes (`process/tree.py`), START
launches the next generation (`service/generation.py`), `service/readiness.py` asks until it
answers, and then the gate releases the held requests and browsers reload.

    LOADING -> RUNNING -> KILLING -> LOADING ...; ERROR after a crash, until the next save
"""

__version__ = "1.0.0"
