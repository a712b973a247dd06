"""The part of the table of options that configures companions: share, archive and chains."""

from httpprocessproxy.config import readers
from httpprocessproxy.config.forms import flag, secret, text, values, within

SHARING = within(
    "share",
    text(
        "share",
        "RELAY",
        "give the site a public address: the URL of an http-process-relay",
        readers.or_off(readers.relay),
        field="relay",
    ),
    text(
        "share-name",
        "NAME",
        "subdomain of RELAY, or a whole host (default: the token file's, or random)",
        str,
        field="name",
    ),
    text(
        "share-token-file",
        "FILE",
        "file of a line TOKEN or NAME TOKEN, the credentials for the relay",
        readers.file_or_off,
        field="token_file",
    ),
    *secret("share-auth", "USER:PASS", "password that visitors must enter", field="auth"),
    values(
        "share-allow",
        "RULE",
        "share only these requests: 'METHOD GLOB', such as 'GET /public/**'; repeatable "
        "(default: all)",
        field="allow",
    ),
)

ARCHIVING = within(
    "archive",
    flag(
        "archive",
        "serve tickets for ZIPs of the site's pages at /_hpp/archive/",
        field="enabled",
    ),
    values(
        "archive-allow",
        "ORIGIN",
        "origin that may be fetched besides the site: http(s)://HOST[:PORT]; repeatable",
        field="allow",
    ),
    flag(
        "archive-strict",
        "abort a ZIP that lacks an item, rather than list it in _errors.txt",
        field="strict",
    ),
    text(
        "archive-settings",
        "FILE",
        "TOML file of limits and the database, as for http-process-archive",
        readers.file_or_off,
        field="settings",
    ),
)

FORWARDING = within(
    "chains",
    flag(
        "forward-chains",
        "forward responses to the URLs in a request's X-Forward-* fields",
        field="enabled",
    ),
    values(
        "forward-allow",
        "ORIGIN",
        "origin that they may be sent to: http(s)://HOST[:PORT], and for errors udp://HOST:PORT as "
        "well; repeatable",
        field="allow",
    ),
    *secret(
        "forward-token",
        "TOKEN",
        "token that lets clients on other machines begin chains",
        field="token",
    ),
    values(
        "forward-header",
        "'NAME: VALUE'",
        "field to add to responses 200 and 202 of chains; repeatable",
        readers.field,
        field="headers",
    ),
    flag("forward-cookies", "forward cookies within the same host", field="cookies"),
    flag(
        "forward-dry-run",
        "show the destinations of responses, and send none",
        field="dry_run",
    ),
)
