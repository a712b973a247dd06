"""Parts of lines for a person: durations, sizes, lists of names, text without controls. No I/O."""

from collections.abc import Collection


def enumeration(names: Collection[str], shown: int = 1) -> str:
    """Return the first `shown` names, and the number of the others."""
    more = len(names) - shown
    first = ", ".join(list(names)[:shown])
    return f"{first} and {more} more" if more > 0 else first


def duration(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"


def size(count_bytes: float) -> str:
    """Format a number of bytes in units of 1000, as browsers do."""
    if count_bytes < 1000:
        return f"{count_bytes:.0f} B"
    for unit in ("kB", "MB"):
        count_bytes /= 1000
        if count_bytes < 1000:
            return f"{count_bytes:.1f} {unit}"
    return f"{count_bytes / 1000:.1f} GB"


def printable(text: str) -> str:
    """Return the text with control characters escaped: file names are untrusted."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
