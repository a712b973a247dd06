"""The name under which a browser saves a download (RFC 6266, RFC 8187). Pure."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

# RFC 8187 section 3.2.1: attr-char, of which `quote` lets letters, digits and "_.-~" be anyway.
_ATTR_CHARS: Final = "!#$&+^`|"
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u2028-\u202e]")


def attachment(filename: str, fallback: str) -> str:
    """A Content-Disposition for `filename`, of which the last segment counts, or `fallback`."""
    name = _INVISIBLE.sub("", re.split(r"[/\\]", filename)[-1]).strip(" .") or fallback
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    # Some browsers decode percent signs in the plain form: what has any is told in the other.
    escaped = re.sub(r'["\\%]', "_", plain) or fallback
    field = f'attachment; filename="{escaped}"'
    return field if escaped == name else f"{field}; filename*=UTF-8''{quote(name, _ATTR_CHARS)}"
