"""Which chains have been here, so that none comes twice: that would be a loop. No I/O."""

from typing import Final

# A hop may take two minutes, and a chain ten hops.
REMEMBERED_S: Final = 20 * 60.0
# Some 100 bytes each.
MAX_REMEMBERED: Final = 10_000


class Seen:
    """The Ids of the last minutes; times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def enter(self, id: str, now: float) -> bool:  # noqa: A002 - it is one
        """A chain comes by; False if it has been here."""
        while self._at:
            oldest, at = next(iter(self._at.items()))
            if now - at <= REMEMBERED_S and len(self._at) < MAX_REMEMBERED:
                break
            del self._at[oldest]
        if id.lower() in self._at:
            return False
        self._at[id.lower()] = now
        return True

    def leave(self, id: str) -> None:  # noqa: A002
        """It has ended here by an error: whoever has mended that may send it again."""
        self._at.pop(id.lower(), None)
