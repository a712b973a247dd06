"""Content negotiation by the Accept field (RFC 9110 section 12.5.1). No I/O."""

import re
from collections.abc import Sequence
from typing import Final

_RANGE: Final = re.compile(r"\s*(?P<type>[\w.+*-]+/[\w.+*-]+)\s*(?:;(?P<parameters>.*))?", re.ASCII)
_Q: Final = re.compile(r"(?:^|;)\s*q=(?P<q>[01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)

_NOT_ACCEPTABLE: Final = (0.0, 0, 0)


def choose(accept: bytes, offered: Sequence[str]) -> str:
    """Choose one of the offered media types; the first if Accept does not decide.

    The highest q wins; among equals the one that Accept names most precisely, then first. A client
    that accepts none of them gets the first as well: an error page must have some format.
    """
    ranges = _parse(accept)
    return max(offered, key=lambda media_type: _rank(media_type, ranges))


def accepts(accept: bytes, media_type: str) -> bool:
    """Whether Accept names exactly this media type, with a q above 0."""
    return any(text == media_type and q > 0 for text, q in _parse(accept))


def _parse(accept: bytes) -> list[tuple[str, float]]:
    matches = (_RANGE.fullmatch(item) for item in accept.decode("latin-1").split(","))
    return [(match["type"].lower(), _q(match["parameters"] or "")) for match in matches if match]


def _q(parameters: str) -> float:
    match = _Q.search(parameters)
    return float(match["q"]) if match else 1.0


def _rank(media_type: str, ranges: list[tuple[str, float]]) -> tuple[float, int, int]:
    """Return the rank of a media type: its q, the precision of the match, the negative position."""
    patterns = (media_type, media_type.split("/")[0] + "/*", "*/*")
    for precision, pattern in zip((2, 1, 0), patterns, strict=True):
        for position, (text, q) in enumerate(ranges):
            if text == pattern:
                return (q, precision, -position) if q else _NOT_ACCEPTABLE
    return _NOT_ACCEPTABLE
