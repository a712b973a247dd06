"""Bar charts: in the terminal, and as a picture (SVG 1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from test.benchmark.samples import OURS
from test.benchmark.tables import number

WIDTH, LABEL, ROW, BAR = 760, 230, 20, 380
TERMINAL_BAR = 40
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}"
    ".peer{fill:#8c959f}.ours{fill:#1a7f37}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.peer{fill:#6e7681}.ours{fill:#3fb950}}"
)


@dataclass(frozen=True, slots=True)
class Bars:
    """One group of bars: a title, and a value for each name, all in one unit."""

    title: str
    values: Sequence[tuple[str, float]]

    @property
    def longest(self) -> float:
        return max((value for _, value in self.values), default=0.0) or 1.0

    def label(self, value: float) -> str:
        """The value, and its ratio to that of http-process-proxy."""
        ours = next((mine for name, mine in self.values if name.startswith(OURS)), 0.0)
        return f"{number(value)} ({value / ours:.2f} x)" if ours > 0 else number(value)


def terminal(groups: Sequence[Bars]) -> str:
    return "\n\n".join("\n".join([bars.title, *_terminal_rows(bars)]) for bars in groups)


def _terminal_rows(bars: Bars) -> list[str]:
    width = max((len(name) for name, _ in bars.values), default=0)
    return [
        f"  {name.ljust(width)} {_blocks(value / bars.longest)} {bars.label(value)}"
        for name, value in bars.values
    ]


def _blocks(share: float) -> str:
    return ("#" * max(1, round(TERMINAL_BAR * max(0.0, share)))).ljust(TERMINAL_BAR)


def svg(groups: Sequence[Bars], caption: str) -> str:
    """The whole picture; `caption` has the date and the machine."""
    parts, y = [], ROW
    for bars in groups:
        parts.append(_text(8, y, bars.title, "title"))
        for name, value in bars.values:
            y += ROW
            parts.extend(_bar(y, name, max(0.0, value) / bars.longest, bars.label(value)))
        y += 2 * ROW
    parts.append(_text(8, y, caption))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + ROW // 2}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _bar(y: int, name: str, share: float, label: str) -> list[str]:
    kind, length = "ours" if name.startswith(OURS) else "peer", max(1, round(BAR * share))
    return [
        _text(8, y, name),
        f'<rect class="{kind}" x="{LABEL}" y="{y - 11}" width="{length}" height="14" rx="2"/>',
        _text(LABEL + length + 6, y, label),
    ]


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x}" y="{y}">{escape(text)}</text>'
