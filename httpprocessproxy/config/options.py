"""Every option, once: the command line and the files are read by this table."""

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
    place("bind", "where browsers connect to", Address.parse),
    place("backend", "where the server listens; auto: at any free port", readers.backend),
)

SERVER = (
    Option(
        Kind.COMMAND,
        "exec",
        "command",
        "COMMAND ...",
        "the server's command; takes the rest of the line; {port} in it is BACKEND's",
    ),
    text(
        "asgi",
        "MODULE:APP",
        "an ASGI application to serve in place of a command; BACKEND may be left out then "
        "(default: off)",
        readers.application_or_off,
    ),
    flag("asgi-factory", "APP makes the application when it is called (default: found out)"),
    text(
        "env-file",
        "FILE",
        "what to add to the server's environment, as lines NAME=VALUE (default: off)",
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
        "files that do not count all the same (default: none)",
        field="excludes",
        short="-x",
    ),
    flag(
        "default-excludes",
        "do not let version control, caches, node_modules, virtual environments and editors' "
        "temporary files count, unless a pattern names them; nor, without any pattern, what git "
        "ignores (default: on)",
    ),
    globs("refresh", "files whose change refreshes browsers, without a restart (default: none)"),
    flag("ignore-unchanged", "skip a save that leaves a file's content as it was (default: off)"),
    choice(
        "watcher",
        "what watches: Watchman, the embedded watcher, or that one polling "
        "(default: auto, Watchman where it is installed)",
        *("auto", "watchman", "embedded", "polling"),
    ),
    number(
        "settle",
        "MS",
        "quiet time that ends a burst of changes; 1 s ends it anyway (default: 2)",
        readers.milliseconds,
        field="settle_s",
    ),
)

RESTARTING = (
    choice(
        "ping",
        "what shows that the server is ready: a response, or a connection (default: http)",
        *("http", "tcp"),
    ),
    text("ping-path", "PATH", "what is asked for then (default: /)", readers.url_path),
    flag(
        "preload",
        "keep what a Python server imports in a process of its own, and start the server from "
        "there (default: off)",
    ),
    flag(
        "socket",
        "listen on BACKEND ourselves, and let each server inherit the socket: {fd} in the command "
        "is its number, and it is announced as systemd does it (default: off)",
    ),
    seconds("start-timeout", "a start may take; then 503 (default: 120)"),
    seconds("queue-timeout", "a request may wait; then 503 (default: 60)"),
    seconds("drain", "an unsafe request in flight may delay the kill; 0: none (default: 1)"),
    text("kill-signal", "NAME", "how the server is ended (default: SIGKILL)", readers.signal_name),
    seconds("kill-timeout", "until SIGKILL after another one (default: 5)"),
)

BROWSER = (
    flag("inject", "put our script into pages, so that they reload (default: on)"),
    flag(
        "cache-control",
        "add Cache-Control: no-cache to answers with Last-Modified that say nothing on caching "
        "(default: on)",
    ),
    flag(
        "rewrite-redirects",
        "lead absolute redirects to BACKEND, or from HTTPS to plain HTTP, back to us (default: on)",
    ),
    text(
        "editor",
        "EDITOR",
        "what opens the lines of an error: a name such as vscode, a URL with {file} and {line}, "
        "or none (default: a guess)",
        readers.editor,
    ),
    flag(
        "browser-console",
        "show the server's output in the browser's console, too (default: off)",
    ),
    number(
        "starting-page",
        "S",
        "seconds a page may be held until one that shows the start takes its place; or off "
        "(default: 2)",
        readers.seconds_or_off,
        field="starting_page_s",
    ),
    flag("open", "open the browser when the server runs (default: off)", field="open_browser"),
    number(
        "livereload-port",
        "PORT",
        "for the LiveReload browser extension; 0: none (default: 35729)",
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
        "a host that requests may name besides local ones; *.NAME for subdomains, * for any; "
        "repeatable (default: none)",
    ),
    Option(
        Kind.VALUES,
        "forwarded-allow-ips",
        "forwarded_allow_ips",
        "CIDR",
        "peers whose Forwarded and X-Forwarded-* are kept, and who may see /_hpp/; repeatable "
        "(default: 127.0.0.0/8 and ::1)",
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
        "a subdomain of RELAY, or a whole host (default: the token file's, or chance)",
        str,
    ),
    text(
        "share-token-file",
        "FILE",
        "what the relay knows us by: a line TOKEN, or NAME TOKEN (default: off)",
        readers.file_or_off,
    ),
    *secret("share-auth", "USER:PASS", "ask visitors for this password"),
    Option(
        Kind.VALUES,
        "share-allow",
        "share_allow",
        "RULE",
        "share this alone: 'METHOD GLOB', such as 'GET /public/**'; repeatable (default: all)",
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
        "what may be fetched besides the site: http(s)://HOST[:PORT]; repeatable "
        "(default: nothing)",
    ),
    flag(
        "archive-strict",
        "break off a ZIP that lacks an item, rather than to list it in _errors.txt (default: off)",
    ),
    text(
        "archive-settings",
        "FILE",
        "limits and the database, in TOML, as http-process-archive has them (default: off)",
        readers.file_or_off,
    ),
)

FORWARDING = (
    flag(
        "forward-chains",
        "hand answers on to where a request's X-Forward-* fields say (default: off)",
    ),
    Option(
        Kind.VALUES,
        "forward-allow",
        "forward_allow",
        "ORIGIN",
        "where they may go: http(s)://HOST[:PORT], and for errors udp://HOST:PORT, too; repeatable "
        "(default: nowhere)",
    ),
    *secret("forward-token", "TOKEN", "let other machines' clients that send it begin chains"),
    Option(
        Kind.VALUES,
        "forward-header",
        "forward_headers",
        "'NAME: VALUE'",
        "a field to add to answers 200 and 202 of chains; repeatable (default: none)",
        readers.field,
    ),
    flag("forward-cookies", "let cookies go on within the same host (default: off)"),
    flag("forward-dry-run", "show where answers would go, and send none (default: off)"),
)

HTTPS = (
    flag("tls", "serve HTTPS, HTTP/2 too, and send plain HTTP there (default: off)"),
    text(
        "tls-cert",
        "FILE",
        "its certificate, with those that lead to its CA (default: off, one of our own)",
        readers.file_or_off,
    ),
    text(
        "tls-key",
        "FILE",
        "the certificate's key (default: off, it is in the same file)",
        readers.file_or_off,
    ),
    flag("http3", "serve HTTP/3 besides, on the same port over UDP (default: off)"),
    number(
        "alt-svc-port",
        "PORT",
        "where browsers are told that HTTP/3 is (default: off, BIND's)",
        readers.port_or_off,
        field="alt_svc_port",
    ),
    seconds("alt-svc-ma", "they may remember it; 0: they forget it (default: 3600)"),
)

TERMINAL = (
    flag("log-requests", "show each request in a line (default: off)"),
    flag("json-logs", "write our own lines as JSON (default: off)"),
    flag("quiet", "show errors and the server's output only (default: off)"),
    flag("debug", "show what goes on inside (default: off)"),
)

GROUPS = {
    "the server": SERVER,
    "watching files": WATCHING,
    "restarting": RESTARTING,
    "in the browser": BROWSER,
    "who may connect": CONNECTING,
    "sharing": SHARING,
    "archiving": ARCHIVING,
    "forwarding answers": FORWARDING,
    "HTTPS": HTTPS,
    "in the terminal": TERMINAL,
}

OPTIONS = (*PLACES, *(option for group in GROUPS.values() for option in group))
