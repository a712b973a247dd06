"""The table of options, from which the command line, the files and --help are derived."""

from httpprocessproxy.config import readers
from httpprocessproxy.config.forms import (
    Kind,
    Option,
    choice,
    flag,
    globs,
    number,
    place,
    seconds,
    secret,
    text,
)
from httpprocessproxy.config.model import Address

PROGRAM = "http-process-proxy"

PLACES = (
    place("bind", "address of the proxy, for browsers", Address.parse),
    place("backend", "address of the server; auto: any free port of localhost", readers.backend),
)

SERVER = (
    Option(
        Kind.COMMAND,
        "exec",
        "command",
        "COMMAND ...",
        "command of the server; takes the rest of the line; {port} in it is replaced by the port "
        "of BACKEND",
    ),
    text(
        "asgi",
        "MODULE:APP",
        "ASGI application to serve in place of a command; BACKEND may then be omitted "
        "(default: off)",
        readers.application_or_off,
    ),
    flag("asgi-factory", "call APP to get the application (default: detected)"),
    text(
        "env-file",
        "FILE",
        "file of lines NAME=VALUE to add to the server's environment (default: off)",
        readers.file_or_off,
    ),
)

WATCHING = (
    globs(
        "pattern",
        "files whose change restarts the server (default: **/*)",
        field="patterns",
        short="-p",
    ),
    globs(
        "exclude",
        "files whose change is ignored, also if a pattern matches (default: none)",
        field="excludes",
        short="-x",
    ),
    flag(
        "default-excludes",
        "ignore version control, caches, node_modules, virtual environments and editors' temporary "
        "files, unless a pattern names them; without any pattern, ignore also files that git "
        "ignores (default: on)",
    ),
    globs("refresh", "files whose change refreshes browsers, without a restart (default: none)"),
    flag("ignore-unchanged", "skip a save that leaves a file's content as it was (default: off)"),
    choice(
        "watcher",
        "file watcher: Watchman, the embedded one, or the embedded one with polling "
        "(default: auto, Watchman where it is installed)",
        *("auto", "watchman", "embedded", "polling"),
    ),
    number(
        "settle",
        "MS",
        "milliseconds without a change that end a burst; a burst lasts 1 s at most (default: 2)",
        readers.milliseconds,
        field="settle_s",
    ),
)

RESTARTING = (
    choice(
        "ping",
        "readiness check: http (any response) or tcp (connect) (default: http)",
        *("http", "tcp"),
    ),
    text("ping-path", "PATH", "path of the http readiness check (default: /)", readers.url_path),
    flag(
        "preload",
        "keep the imports of a Python server in a fork server, and start the server from it "
        "(default: off)",
    ),
    flag(
        "socket",
        "let the proxy listen on BACKEND, and each server inherit the socket: {fd} in the command "
        "is replaced by its number, and it is passed like a socket of systemd (default: off)",
    ),
    seconds("start-timeout", "a start may take; then 503 (default: 120)"),
    seconds("queue-timeout", "a request may wait; then 503 (default: 60)"),
    seconds("drain", "an unsafe request in flight may delay the kill; 0: none (default: 1)"),
    text("kill-signal", "NAME", "signal to end the server (default: SIGKILL)", readers.signal_name),
    seconds("kill-timeout", "between another kill signal and SIGKILL (default: 5)"),
)

BROWSER = (
    flag("inject", "inject a script into pages, so that they reload (default: on)"),
    flag(
        "cache-control",
        "add Cache-Control: no-cache to responses with Last-Modified but without fields for "
        "caching (default: on)",
    ),
    flag(
        "rewrite-redirects",
        "rewrite absolute redirects to BACKEND, or from HTTPS to plain HTTP, so that they lead to "
        "the proxy (default: on)",
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
        "show the server's output in the browser's console as well (default: off)",
    ),
    number(
        "starting-page",
        "S",
        "seconds a page may be held before a page that shows the start is sent; or off "
        "(default: 2)",
        readers.seconds_or_off,
        field="starting_page_s",
    ),
    flag("open", "open the browser when the server runs (default: off)", field="open_browser"),
    number(
        "livereload-port",
        "PORT",
        "port for the LiveReload browser extension; 0: none (default: 35729)",
        readers.port,
        field="livereload_port",
    ),
)

CONNECTING = (
    Option(
        Kind.VALUES,
        "allowed-host",
        "allowed_hosts",
        "NAME",
        "host to accept in requests besides local ones; *.NAME for subdomains, * for any; "
        "repeatable (default: none)",
    ),
    Option(
        Kind.VALUES,
        "forwarded-allow-ips",
        "forwarded_allow_ips",
        "CIDR",
        "peers whose Forwarded and X-Forwarded-* fields are kept, and that may use /_hpp/; "
        "repeatable (default: 127.0.0.0/8 and ::1)",
        readers.network,
    ),
)

SHARING = (
    text(
        "share",
        "RELAY",
        "give the site a public address: the URL of an http-process-relay (default: off)",
        readers.relay_or_off,
    ),
    text(
        "share-name",
        "NAME",
        "subdomain of RELAY, or a whole host (default: the token file's, or random)",
        str,
    ),
    text(
        "share-token-file",
        "FILE",
        "file of a line TOKEN or NAME TOKEN, the credentials for the relay (default: off)",
        readers.file_or_off,
    ),
    *secret("share-auth", "USER:PASS", "password that visitors must enter"),
    Option(
        Kind.VALUES,
        "share-allow",
        "share_allow",
        "RULE",
        "share only these requests: 'METHOD GLOB', such as 'GET /public/**'; repeatable "
        "(default: all)",
    ),
)

ARCHIVING = (
    flag(
        "archive",
        "serve tickets for ZIPs of the site's pages at /_hpp/archive/ (default: off)",
    ),
    Option(
        Kind.VALUES,
        "archive-allow",
        "archive_allow",
        "ORIGIN",
        "origin that may be fetched besides the site: http(s)://HOST[:PORT]; repeatable "
        "(default: none)",
    ),
    flag(
        "archive-strict",
        "abort a ZIP that lacks an item, rather than list it in _errors.txt (default: off)",
    ),
    text(
        "archive-settings",
        "FILE",
        "TOML file of limits and the database, as for http-process-archive (default: off)",
        readers.file_or_off,
    ),
)

FORWARDING = (
    flag(
        "forward-chains",
        "forward responses to the URLs in a request's X-Forward-* fields (default: off)",
    ),
    Option(
        Kind.VALUES,
        "forward-allow",
        "forward_allow",
        "ORIGIN",
        "origin that they may be sent to: http(s)://HOST[:PORT], and for errors udp://HOST:PORT as "
        "well; repeatable (default: none)",
    ),
    *secret("forward-token", "TOKEN", "token that lets clients on other machines begin chains"),
    Option(
        Kind.VALUES,
        "forward-header",
        "forward_headers",
        "'NAME: VALUE'",
        "field to add to responses 200 and 202 of chains; repeatable (default: none)",
        readers.field,
    ),
    flag("forward-cookies", "forward cookies within the same host (default: off)"),
    flag("forward-dry-run", "show the destinations of responses, and send none (default: off)"),
)

HTTPS = (
    flag("tls", "serve HTTPS with HTTP/2, and redirect plain HTTP to it (default: off)"),
    text(
        "tls-cert",
        "FILE",
        "certificate, with those that lead to its CA (default: off, one made by the proxy)",
        readers.file_or_off,
    ),
    text(
        "tls-key",
        "FILE",
        "key of the certificate (default: off, it is in the same file)",
        readers.file_or_off,
    ),
    flag("http3", "serve also HTTP/3, on the same port over UDP (default: off)"),
    number(
        "alt-svc-port",
        "PORT",
        "port of HTTP/3 that Alt-Svc advertises to browsers (default: off, BIND's)",
        readers.port_or_off,
        field="alt_svc_port",
    ),
    seconds("alt-svc-ma", "browsers may cache that; 0: they forget it (default: 3600)"),
)

TERMINAL = (
    flag("log-requests", "print a line for each request (default: off)"),
    flag("json-logs", "print the proxy's own lines as JSON (default: off)"),
    flag("quiet", "print errors and the server's output only (default: off)"),
    flag("debug", "print also state transitions and the stages of a restart (default: off)"),
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
