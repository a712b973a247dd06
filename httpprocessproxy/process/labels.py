"""Labels of services in the terminal: the prefixes of their lines.

Names are padded to the longest. A service has the same colour in each run: that of its place in the
configuration.
"""

from typing import Final

# Foreground colours (ECMA-48 section 8.3.117, and the bright ones of aixterm). None is red, which
# programs use for errors.
_COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_SEPARATOR: Final = " | "


class Labels:
    """The services that have been added, in their order."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._length = 0

    def add(self, service: str) -> None:
        self._names.append(service)
        self._length = max(self._length, len(service))

    @property
    def count(self) -> int:
        return len(self._names)

    @property
    def columns(self) -> int:
        """The width of a prefix."""
        return self._length + len(_SEPARATOR)

    def prefix(self, service: str, *, has_colour: bool) -> bytes:
        """The beginning of each line of a service, which may be one that was not added."""
        padded = service.ljust(self._length)
        if not has_colour or service not in self._names:
            return (padded + _SEPARATOR).encode()
        colour = _COLOURS[self._names.index(service) % len(_COLOURS)]
        return f"\x1b[{colour}m{padded}{_SEPARATOR.rstrip()}\x1b[m ".encode()
