"""Simple tables of reStructuredText, with numbers flush right."""

from collections.abc import Sequence


def number(value: float | None) -> str:
    """Format a number with three significant digits and separated thousands; None is a dash."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table: first column flush left, others flush right. Cells are one line and not empty."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = [_line(cells, widths) for cells in (headings, *rows)]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if not index else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()
