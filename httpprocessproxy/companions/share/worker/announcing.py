"""What the user reads of a share before anybody comes: the address, who can reach it, a QR code.

The QR code is for a phone at the table (the extra `share`), on a terminal that has room for it.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

from httpprocessproxy.companions.share.worker.settings import WorkerSettings

# Two rows of modules in a line. Light modules are drawn, as most terminals are dark.
_HALVES: Final = {(1, 1): " ", (0, 1): "▀", (1, 0): "▄", (0, 0): "█"}

# ISO/IEC 18004 wants a margin of four modules; every reader takes two.
_MARGIN: Final = 2


def announcement(settings: WorkerSettings) -> str:
    """The line that says where the share is, and for whom."""
    reach = "anybody who knows this address can reach it"
    if settings.credentials is not None:
        reach = f"visitors need the password of {settings.credentials.user}"
    if settings.allowed:
        reach += f"; shared is only {', '.join(map(str, settings.allowed))}"
    return f"share: {settings.public_url} ({reach})"


def qr_code(url: str) -> str | None:
    """The address as a picture of text; None without a terminal wide enough, or the extra."""
    try:
        import segno
    except ModuleNotFoundError:
        return None
    matrix = [list(row) for row in segno.make(url, error="l", micro=False).matrix_iter(1, _MARGIN)]
    return drawn(matrix) if len(matrix[0]) <= _columns() else None


def drawn(matrix: Sequence[Sequence[int]]) -> str:
    """Rows of modules, 1 for the dark ones, as lines of half blocks."""
    rows = [*matrix, [0] * len(matrix[0])] if len(matrix) % 2 else list(matrix)
    lines = [
        "".join(_HALVES[upper & 1, lower & 1] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=True)
    ]
    return "\n".join(lines)


def _columns() -> int:
    """The width of the terminal where our lines go, 0 if that is none."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 0
