"""Entity tags of pages with the injected script, which differ from those of the original pages.

Two contents need two tags (RFC 9110 section 8.8.1). Otherwise a script that fetches a page would
get the browser's cached copy with the injected script, and the browser would display a copy that a
script has fetched, or one cached before the proxy was in use. So a mark is added to each tag, as
Apache's compression adds `-gzip`, and removed from the conditions of requests. A page that has
only a date gets a tag made from it, since a date cannot be marked. No I/O.
"""

import re
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from httpprocessproxy.core.http.http1 import Fields

_IF_NONE_MATCH: Final = b"if-none-match"
_IF_MODIFIED_SINCE: Final = b"if-modified-since"

# RFC 9110 section 8.8.3.
_ENTITY_TAG: Final = re.compile(rb'(?:W/)?"[!#-~\x80-\xff]*"')

# Precedes the mark in a tag made from a date.
_DATED: Final = b"-dated"


def marked(entity_tag: bytes, mark: bytes) -> bytes:
    """Return the entity tag of a page with the script; a malformed tag stays unchanged."""
    is_one = _ENTITY_TAG.fullmatch(entity_tag)
    return b'%b%b"' % (entity_tag[:-1], mark) if is_one else entity_tag


def dated(last_modified: bytes, mark: bytes) -> bytes | None:
    """Return the entity tag, made from Last-Modified, of a page with the script.

    None if it is not a date. The tag is weak, as the date is (RFC 9110 section 8.8.2.2).
    """
    time = http_date(last_modified)
    return None if time is None else b'W/"%x%b%b"' % (int(time) & 0xFFFFFFFF, _DATED, mark)


def unmarked(fields: Fields, mark: bytes) -> Fields:
    """Return the fields of a request for a page, with the conditions in the backend's own tags.

    A tag without the mark belongs to a copy of the page without the script, which must not be
    revalidated; it is dropped, and so is a date without a tag. A date is kept beside a tag made
    from it; beside any other tag, recipients ignore it (RFC 9110 section 13.1.3).
    """
    ending = mark + b'"'
    lists = [value for name, value in fields if name.lower() == _IF_NONE_MATCH]
    tags = [tag for tag in _ENTITY_TAG.findall(b",".join(lists)) if tag.endswith(ending)]
    known = [tag.removesuffix(ending) for tag in tags]
    backends = b", ".join(tag + b'"' for tag in known if not tag.endswith(_DATED))
    has_date = bool(backends) or any(tag.endswith(_DATED) for tag in known)
    dropped = (_IF_NONE_MATCH,) if has_date else (_IF_NONE_MATCH, _IF_MODIFIED_SINCE)
    kept = [field for field in fields if field[0].lower() not in dropped]
    return [*kept, (b"If-None-Match", backends)] if backends else kept


@lru_cache(maxsize=256)
def http_date(text: bytes) -> float | None:
    """Return an HTTP-date (RFC 9110 section 5.6.7) in seconds since 1970; None if malformed."""
    try:
        return parsedate_to_datetime(text.decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return None


def is_of_second(entity_tag: bytes, modified: float) -> bool:
    """Whether a tag contains the time of modification in whole seconds, as nginx writes it.

    Such a tag is as weak as the time: two contents of equal size in one second share it.
    """
    return b"%x" % int(modified) in re.split(rb"[^0-9a-f]", entity_tag.lower())
