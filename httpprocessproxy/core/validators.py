"""The entity tags of pages with our script: other ones than those of the pages without.

Two contents want two tags (RFC 9110 section 8.8.1). Else a script that fetches a page would get
the one that the browser has kept from showing it, and the browser would show what a script has
fetched. So a mark is added to each, as Apache's compression adds its `-gzip`, and taken off again
in what browsers send. No I/O.
"""

import re
from typing import Final

from httpprocessproxy.core.http1 import Fields

_IF_NONE_MATCH: Final = b"if-none-match"
_IF_MODIFIED_SINCE: Final = b"if-modified-since"

# RFC 9110 section 8.8.3.
_ENTITY_TAG: Final = re.compile(rb'(?:W/)?"[!#-~\x80-\xff]*"')


def marked(entity_tag: bytes, mark: bytes) -> bytes:
    """The entity tag of a page with our script; what is not well-formed stays as it is."""
    is_one = _ENTITY_TAG.fullmatch(entity_tag)
    return b'%b%b"' % (entity_tag[:-1], mark) if is_one else entity_tag


def unmarked(fields: Fields, mark: bytes) -> Fields:
    """The fields of a request for a page, with its conditions as the backend knows them.

    A tag without the mark is that of a page without our script, which is not wanted any more. If
    there is no other, If-Modified-Since must not count either (RFC 9110 section 13.1.3).
    """
    lists = [value for name, value in fields if name.lower() == _IF_NONE_MATCH]
    if not lists:
        return fields
    ending = mark + b'"'
    tags = [tag for tag in _ENTITY_TAG.findall(b",".join(lists)) if tag.endswith(ending)]
    known = b", ".join(tag.removesuffix(ending) + b'"' for tag in tags)
    dropped = (_IF_NONE_MATCH,) if known else (_IF_NONE_MATCH, _IF_MODIFIED_SINCE)
    kept = [field for field in fields if field[0].lower() not in dropped]
    return [*kept, (b"If-None-Match", known)] if known else kept
