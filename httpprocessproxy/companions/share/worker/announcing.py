"""The announcement of a share: its public URL, its access rules, and a QR code of the URL.

The QR code needs the extra `share`, and a terminal that is wide enough.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

from httpprocessproxy.companions.share.worker.settings import WorkerSettings

# Two rows of modules per line, as (upper, lower). Light modules are drawn: most terminals are dark.
_HALVES: Final = {(1, 1): " ", (0, 1): "▀", (1, 0): "▄", (0, 0): "█"}

# ISO/IEC 18004 requires a margin of four modules; readers accept two.
_MARGIN: Final = 2


def announcement(settings: WorkerSettings) -> str:
    """The line with the public URL and the access rules."""
    reach = "anyone who knows this address can reach it"
    if settings.credentials is not None:
        reach = f"visitors need the password of {settings.credentials.user}"
    if settings.allowed:
        reach += f"; shared is only {', '.join(map(str, settings.allowed))}"
    return f"share: {settings.public_url} ({reach})"


def qr_code(url: str) -> str | None:
    """A URL as a QR code of text; None if the terminal is too narrow, or segno not installed."""
    try:
        import segno
    except ModuleNotFoundError:
        return None
    matrix = [list(row) for row in segno.make(url, error="l", micro=False).matrix_iter(1, _MARGIN)]
    return render_modules(matrix) if len(matrix[0]) <= _columns() else None


def render_modules(matrix: Sequence[Sequence[int]]) -> str:
    """Render rows of modules, 1 for a dark one, as lines of half blocks."""
    rows = [*matrix, [0] * len(matrix[0])] if len(matrix) % 2 else list(matrix)
    lines = [
        "".join(_HALVES[upper & 1, lower & 1] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=True)
    ]
    return "\n".join(lines)


def _columns() -> int:
    """The width of the terminal of stderr; 0 if stderr is not a terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 0
