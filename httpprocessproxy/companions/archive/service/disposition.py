"""The name under which a browser saves a download (RFC 6266, RFC 8187). Pure."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

# RFC 8187 section 3.2.1: attr-char without letters, digits and "_.-~", which `quote` never quotes.
_ATTR_CHARS: Final = "!#$&+^`|"
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u2028-\u202e]")


def attachment(filename: str, fallback: str) -> str:
    """A Content-Disposition for the last segment of `filename`, or `fallback` if that is empty."""
    name = _INVISIBLE.sub("", re.split(r"[/\\]", filename)[-1]).strip(" .") or fallback
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    # Some browsers percent-decode the plain form, so names with "%" need the extended form.
    escaped = re.sub(r'["\\%]', "_", plain) or fallback
    field = f'attachment; filename="{escaped}"'
    return field if escaped == name else f"{field}; filename*=UTF-8''{quote(name, _ATTR_CHARS)}"
