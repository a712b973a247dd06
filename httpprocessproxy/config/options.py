"""The table of options, from which the command line, the files and --help are derived.

`within` names the group of the configuration (`model.py`) that has the options as fields. A section
of --help may have options of several groups.
"""

from httpprocessproxy.config import readers
from httpprocessproxy.config.companion_options import ARCHIVING, FORWARDING, SHARING
from httpprocessproxy.config.forms import (
    Kind,
    Option,
    choice,
    flag,
    globs,
    number,
    place,
    seconds,
    split,
    text,
    values,
    within,
)

PROGRAM = "http-process-proxy"

PLACES = (
    *within("listen", place("bind", "address of the proxy, for browsers", readers.bind)),
    *within(
        "service",
        place(
            "backend",
            "address of the server; auto: any free port of localhost",
            readers.backend,
            field="address",
        ),
    ),
)

(COMMAND,) = within(
    "service",
    Option(
        Kind.COMMAND,
        "exec",
        "command",
        "COMMAND ...",
        "command of the server; takes the rest of the line; {port} in it is replaced by the port "
        "of BACKEND",
    ),
)

SERVER = (
    COMMAND,
    *within(
        "service",
        text(
            "asgi",
            "MODULE:APP",
            "ASGI application to serve in place of a command; BACKEND may then be omitted",
            readers.or_off(readers.application),
        ),
        flag("asgi-factory", "call APP to get the application (default: detected)"),
        text(
            "env-file",
            "FILE",
            "file of lines NAME=VALUE to add to the server's environment",
            readers.file_or_off,
        ),
    ),
)

WATCHING = within(
    "service.watch",
    globs(
        "pattern",
        "files whose change restarts the server (default: **/*)",
        field="patterns",
        aliases=("-p",),
    ),
    globs(
        "exclude",
        "files whose change is ignored, also if a pattern matches",
        field="excludes",
        aliases=("-x",),
    ),
    flag(
        "default-excludes",
        "ignore version control, caches, node_modules, virtual environments and editors' temporary "
        "files, unless a pattern names them; without any pattern, ignore also files that git "
        "ignores",
    ),
    globs("refresh", "files whose change refreshes browsers, without a restart"),
    flag("ignore-unchanged", "skip a save that leaves a file's content as it was"),
    choice(
        "watcher",
        "file watcher: Watchman, the embedded one, or the embedded one with polling "
        "(default: {default}, Watchman where it is installed)",
        *("auto", "watchman", "embedded", "polling"),
    ),
    number(
        "settle",
        "MS",
        "milliseconds without a change that end a burst; a burst lasts 1 s at most",
        readers.milliseconds,
        field="settle_s",
    ),
)

RESTARTING = (
    *within(
        "service.readiness",
        choice(
            "ping",
            "readiness check: http (any response) or tcp (connect)",
            *("http", "tcp"),
            field="kind",
        ),
        text(
            "ping-path",
            "PATH",
            "path of the http readiness check",
            readers.url_path,
            field="path",
        ),
    ),
    *within(
        "service",
        split(
            "before",
            "COMMAND",
            "command that has to succeed, such as a build, before the server starts and before a "
            "save restarts it; the old server goes on meanwhile",
        ),
        flag(
            "preload",
            "keep the imports of a Python server in a fork server, and start the server from it",
        ),
        flag(
            "socket",
            "let the proxy listen on BACKEND, and each server inherit the socket: {fd} in the "
            "command is replaced by its number, and it is passed like a socket of systemd",
        ),
    ),
    *within(
        "service.restart",
        seconds("start-timeout", "seconds a start may take; then 503"),
        seconds("queue-timeout", "seconds a request may wait; then 503"),
        seconds("drain", "seconds an unsafe request in flight may delay the kill; 0: none"),
        text(
            "kill-signal",
            "NAME",
            "signal to end the server",
            readers.signal_name,
        ),
        seconds("kill-timeout", "seconds between another kill signal and SIGKILL"),
    ),
)

BROWSER = (
    *within(
        "browser",
        flag("inject", "inject a script into pages, so that they reload"),
        flag(
            "cache-control",
            "add Cache-Control: no-cache to responses with Last-Modified but without fields for "
            "caching",
        ),
        flag(
            "rewrite-redirects",
            "rewrite absolute redirects to BACKEND, or from HTTPS to plain HTTP, so that they lead "
            "to the proxy",
        ),
        text(
            "editor",
            "EDITOR",
            "editor that opens the lines of an error: a name such as vscode, a URL with {file} and "
            "{line}, or none (default: detected)",
            readers.editor,
        ),
        flag(
            "browser-console",
            "show the server's output in the browser's console as well",
            field="console",
        ),
    ),
    *within(
        "service.restart",
        number(
            "starting-page",
            "S",
            "seconds a page may be held before a page that shows the start is sent; or off",
            readers.seconds_or_off,
            field="starting_page_s",
        ),
    ),
    *within(
        "browser",
        flag("open", "open the browser when the server runs"),
        number(
            "livereload-port",
            "PORT",
            "port for the LiveReload browser extension; 0: none",
            readers.port,
        ),
    ),
)

CONNECTING = within(
    "listen",
    values(
        "allowed-host",
        "NAME",
        "host to accept in requests besides local ones; *.NAME for subdomains, * for any; "
        "repeatable",
        field="allowed_hosts",
    ),
    values(
        "forwarded-allow-ips",
        "CIDR",
        "peers whose Forwarded and X-Forwarded-* fields are kept, and that may use /_hpp/; "
        "repeatable",
        readers.network,
    ),
)

HTTPS = within(
    "tls",
    flag(
        "tls",
        "serve HTTPS with HTTP/2, and redirect plain HTTP to it",
        field="enabled",
    ),
    text(
        "tls-cert",
        "FILE",
        "certificate, with those that lead to its CA (default: {default}, one made by the proxy)",
        readers.file_or_off,
        field="cert",
    ),
    text(
        "tls-key",
        "FILE",
        "key of the certificate (default: {default}, it is in the same file)",
        readers.file_or_off,
        field="key",
    ),
    flag("http3", "serve also HTTP/3, on the same port over UDP"),
    number(
        "alt-svc-port",
        "PORT",
        "port of HTTP/3 that Alt-Svc advertises to browsers (default: {default}, BIND's)",
        readers.or_off(readers.port),
    ),
    seconds("alt-svc-ma", "seconds browsers may cache that; 0: they forget it"),
)

TERMINAL = within(
    "terminal",
    flag("log-requests", "print a line for each request"),
    flag("json-logs", "print the proxy's own lines as JSON"),
    flag("quiet", "print errors and the server's output only"),
    flag("debug", "print also state transitions and the stages of a restart"),
)

GROUPS = {
    "the server": SERVER,
    "watching files": WATCHING,
    "restarting": RESTARTING,
    "in the browser": BROWSER,
    "access": CONNECTING,
    "sharing": SHARING,
    "archiving": ARCHIVING,
    "forwarding responses": FORWARDING,
    "HTTPS": HTTPS,
    "in the terminal": TERMINAL,
}

OPTIONS = (*PLACES, *(option for group in GROUPS.values() for option in group))
