"""The fields that somebody else may choose for a request of ours (RFC 9110 sections 5 and 7.6.1).

The rule: they say what is wanted, never where it is, who asks, or how the message is framed.
"""

import re
from collections.abc import Mapping
from typing import Final

from httpprocessproxy.companions.fetch_client.guard import Refused

MAX_FIELDS: Final = 100
MAX_FIELDS_BYTES: Final = 16 * 1024

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")

_OURS: Final = frozenset(
    (
        *("connection", "content-length", "expect", "forwarded", "host", "http2-settings"),
        *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via"),
    )
)
_OUR_BEGINNINGS: Final = ("proxy-", "x-forwarded-", "x-forward-", "x-hpp-", "x-real-", "sec-")


def check_fields(fields: Mapping[str, str]) -> None:
    """Raise Refused for a field that others may not choose, or that cannot be written."""
    if len(fields) > MAX_FIELDS or sum(map(_size, fields.items())) > MAX_FIELDS_BYTES:
        raise Refused(f"at most {MAX_FIELDS} headers, of {MAX_FIELDS_BYTES} bytes in all")
    for name, value in fields.items():
        if not _TOKEN.fullmatch(name):
            raise Refused(f"not the name of a header: {name[:40]!r}")
        # CGI and its heirs take x_forwarded_for for x-forwarded-for.
        lower = name.lower().replace("_", "-")
        if lower in _OURS or lower.startswith(_OUR_BEGINNINGS):
            raise Refused(f"the header {name[:40]} cannot be chosen")
        if not _VALUE.fullmatch(value):
            raise Refused(f"the header {name[:40]} has control characters in it")


def _size(field: tuple[str, str]) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in field)
