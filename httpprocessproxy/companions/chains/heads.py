"""Single fields of the raw heads that the data plane writes. No I/O."""

from collections.abc import Collection

from httpprocessproxy.core.http.http1 import Fields


def fields_of(head: bytes) -> Fields:
    """The fields of a head, after its first line. The head's final empty line may be missing."""
    lines = head.split(b"\r\n")[1:]
    pairs = (line.partition(b": ") for line in lines if line)
    return [(name, value) for name, _, value in pairs]


def without(head: bytes, names: Collection[bytes]) -> bytes:
    """The head without the fields of these names, given in lower case."""
    first, *lines = head.split(b"\r\n")
    others = [line for line in lines if line.partition(b":")[0].lower() not in names]
    return b"\r\n".join([first, *others])


def value_of(fields: Fields, name: bytes) -> str:
    """The value of the first field with a name, given in lower case; "" if there is none."""
    found = (value for key, value in fields if key.lower() == name)
    return next(found, b"").decode("latin-1")
