"""The validators of pages with our script: other ones than those of the pages without.

Two contents want two tags (RFC 9110 section 8.8.1). Else a script that fetches a page would get
the one that the browser has kept from showing it, and the browser would show what a script has
fetched, or what it had kept before this proxy was there. So a mark is added to each, as Apache's
compression adds its `-gzip`, and taken off again in what browsers send. A page that has only a
date gets a tag made from it, for a date cannot be marked. No I/O.
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

# Stands before the mark in a tag that is made from a date.
_DATED: Final = b"-dated"


def marked(entity_tag: bytes, mark: bytes) -> bytes:
    """The entity tag of a page with our script; what is not well-formed stays as it is."""
    is_one = _ENTITY_TAG.fullmatch(entity_tag)
    return b'%b%b"' % (entity_tag[:-1], mark) if is_one else entity_tag


def dated(last_modified: bytes, mark: bytes) -> bytes | None:
    """The entity tag of a page with our script whose own validator is this date, if it is one.

    It is a weak one, as the date is (RFC 9110 section 8.8.2.2).
    """
    time = http_date(last_modified)
    return None if time is None else b'W/"%x%b%b"' % (int(time) & 0xFFFFFFFF, _DATED, mark)


def unmarked(fields: Fields, mark: bytes) -> Fields:
    """The fields of a request for a page, with its conditions as the backend knows them.

    A tag without the mark is that of a page without our script, which is not wanted any more, and
    so is a date without a tag. A date counts beside a tag that was made from it, and is to be
    ignored beside any other (RFC 9110 section 13.1.3).
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
    """The seconds since 1970 of an HTTP-date (RFC 9110 section 5.6.7); None if it is none."""
    try:
        return parsedate_to_datetime(text.decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return None


def is_of_second(entity_tag: bytes, modified: float) -> bool:
    """Whether a tag is made from the time of a change in whole seconds, as nginx makes it.

    Such a tag is no better than the time: two contents of one size and second share it.
    """
    return b"%x" % int(modified) in re.split(rb"[^0-9a-f]", entity_tag.lower())
