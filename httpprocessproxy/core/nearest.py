"""The nearest name, for an error message about an unknown one. No I/O."""

from collections.abc import Iterable


def nearest(unknown: str, known: Iterable[str]) -> str:
    """A suffix for an error message that suggests the nearest name; "" if none is near.

    A name that begins with `unknown` wins over a similar one.
    """
    # Imported for an error alone.
    from difflib import get_close_matches

    names = list(known)
    longer = [name for name in names if name.startswith(unknown) and name.strip("-")]
    found = longer[:1] or get_close_matches(unknown, names, 1)
    return f": did you mean {found[0]}?" if found else ""
