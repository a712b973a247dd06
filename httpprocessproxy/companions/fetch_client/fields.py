"""Request header fields that an untrusted source may set (RFC 9110 sections 5 and 7.6.1).

The rule: such fields describe what is requested; they never set the host, the identity of the
client, or the framing of the message.
"""

import re
from collections.abc import Mapping
from typing import Final

from httpprocessproxy.companions.fetch_client.guard import Refused

MAX_FIELDS: Final = 100
MAX_FIELDS_BYTES: Final = 16 * 1024

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")

_FORBIDDEN: Final = frozenset(
    (
        *("connection", "content-length", "expect", "forwarded", "host", "http2-settings"),
        *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via"),
    )
)
_FORBIDDEN_PREFIXES: Final = ("proxy-", "x-forwarded-", "x-forward-", "x-hpp-", "x-real-", "sec-")


def check_fields(fields: Mapping[str, str]) -> None:
    """Raise Refused for a field that an untrusted source may not set, or that is malformed."""
    if len(fields) > MAX_FIELDS or sum(map(_size, fields.items())) > MAX_FIELDS_BYTES:
        raise Refused(f"at most {MAX_FIELDS} headers, of {MAX_FIELDS_BYTES} bytes in all")
    for name, value in fields.items():
        if not _TOKEN.fullmatch(name):
            raise Refused(f"not the name of a header: {name[:40]!r}")
        # CGI and WSGI do not distinguish x_forwarded_for from x-forwarded-for.
        lower = name.lower().replace("_", "-")
        if lower in _FORBIDDEN or lower.startswith(_FORBIDDEN_PREFIXES):
            raise Refused(f"the header {name[:40]} cannot be chosen")
        if not _VALUE.fullmatch(value):
            raise Refused(f"the header {name[:40]} has control characters in it")


def _size(field: tuple[str, str]) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in field)
