"""A picture of two restarts of the same server, cold and warm, from the save to the first response.

The preloaded stage is not measured: it is the difference between the two restarts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from test.benchmark.projects import WITH_PANDAS
from test.benchmark.restart import stage_of
from test.benchmark.restarters import EMBEDDED, PRELOADED
from test.benchmark.samples import Results

WIDTH, LABEL, BAR, ROW = 760, 70, 660, 44
COLOURS = {
    "the old server ends": "#e0930f",
    "a process is started": "#3b82f6",
    "packages are imported": "#8c959f",
    "the project starts and answers": "#22a35a",
}
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A name, and the duration of each stage of COLOURS, in milliseconds."""

    name: str
    stages: Sequence[float]


def timelines(results: Results) -> list[Timeline]:
    """The cold and the warm timeline; empty unless the run has both."""
    cold, warm = _stages(results, EMBEDDED), _stages(results, PRELOADED)
    if cold is None or warm is None:
        return []
    (stopped, started, ready), (warm_stopped, warm_started, own) = cold, warm
    return [
        Timeline("cold", (stopped, started, ready - own, own)),
        Timeline("warm", (warm_stopped, warm_started, 0.0, own)),
    ]


def _stages(results: Results, who: str) -> tuple[float, float, float] | None:
    keys = (stage_of(WITH_PANDAS, stage).key for stage in ("drain", "stop", "start", "ready"))
    figures = [results.figure(key, who) for key in keys]
    known = [figure for figure in figures if figure is not None]
    return (known[0] + known[1], known[2], known[3]) if len(known) == len(figures) else None


def svg(rows: Sequence[Timeline], caption: str) -> str:
    """The picture; `caption` has the date and the machine."""
    scale = BAR / max(sum(row.stages) for row in rows)
    parts = [_text(8, 20, "Django with pandas and SQLAlchemy: from the save to the first answer")]
    parts += _legend(40)
    y = 64
    for row in rows:
        parts.append(_text(8, y + 17, row.name, "title"))
        parts += _bar(y, row, scale)
        y += ROW
    parts.append(_text(8, y + 12, caption))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 24}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _bar(y: int, row: Timeline, scale: float) -> Iterator[str]:
    x = float(LABEL)
    for colour, ms in zip(COLOURS.values(), row.stages, strict=True):
        yield _box(x, y, ms * scale, colour)
        x += ms * scale
    total = f"{sum(row.stages):.0f} ms"
    is_long = x > WIDTH - 90
    yield _text(LABEL if is_long else x + 6, y + (38 if is_long else 17), total)


def _legend(y: int) -> Iterator[str]:
    x = 8.0
    for name, colour in COLOURS.items():
        yield _box(x, y, 12, colour, 12)
        yield _text(x + 18, y + 11, name)
        x += 40 + 6.4 * len(name)


def _box(x: float, y: float, width: float, colour: str, height: int = 24) -> str:
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:.1f}" y="{y}">{escape(text)}</text>'
