"""Heads as the data plane writes them, for those that look at single fields. No I/O."""

from collections.abc import Collection

from httpprocessproxy.core.http.http1 import Fields


def fields_of(head: bytes) -> Fields:
    """The fields behind a head's first line. The empty line at its end may be missing."""
    lines = head.split(b"\r\n")[1:]
    pairs = (line.partition(b": ") for line in lines if line)
    return [(name, value) for name, _, value in pairs]


def without(head: bytes, names: Collection[bytes]) -> bytes:
    """The same head without fields of these names, which are in lower case."""
    first, *lines = head.split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].lower() not in names]
    return b"\r\n".join([first, *kept])


def value_of(fields: Fields, name: bytes) -> str:
    """The value of the first field of a name, which is in lower case; "" without one."""
    found = (value for key, value in fields if key.lower() == name)
    return next(found, b"").decode("latin-1")
