"""Terminal output as HTML with colours, or as plain text (ECMA-48 section 8.3.117).

Output that overwrites itself is shown in its final form (`screen.py`). All other control sequences
are removed, and all text is escaped for HTML. No I/O.
"""

import html
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Final

from httpprocessproxy.core.page.screen import Screen

# Colours (SGR); strings up to their terminator (titles, links); other sequences; controls.
_CONTROL: Final = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|\x1b\[(?P<parameter>[0-9]*)[0-9;]*(?P<final>[A-HJKf])"
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
    r"|(?P<move>[\x08\r])"
    r"|[\x00-\x07\x0b-\x1f\x7f-\x9f]"
)

_Style = Mapping[str, str]

# The effect of an SGR code: an attribute, and its CSS class ("" resets the attribute).
_CODES: Final[Mapping[int, tuple[str, str]]] = {
    1: ("weight", "bold"),
    2: ("weight", "dim"),
    3: ("slant", "italic"),
    4: ("line", "underline"),
    22: ("weight", ""),
    23: ("slant", ""),
    24: ("line", ""),
    7: ("video", "inverse"),
    27: ("video", ""),
    39: ("foreground", ""),
    49: ("background", ""),
    **{30 + colour: ("foreground", f"f{colour}") for colour in range(8)},
    **{90 + colour: ("foreground", f"f{colour + 8}") for colour in range(8)},
    **{40 + colour: ("background", f"b{colour}") for colour in range(8)},
    **{100 + colour: ("background", f"b{colour + 8}") for colour in range(8)},
}


def to_text(output: bytes) -> str:
    """Decode the output and remove every control sequence."""
    return "\n".join("".join(character for character, _ in line) for line in _lines(output))


def to_html(output: bytes) -> str:
    """Decode and escape the output; the 16 colours become `<span class=…>`, others are dropped."""
    return "".join(
        _span("".join(character for character, _ in cells), style)
        for style, cells in itertools.groupby(_cells(output), key=lambda cell: cell[1])
    )


def _cells(output: bytes) -> Iterator[tuple[str, _Style]]:
    for number, line in enumerate(_lines(output)):
        if number:
            yield "\n", {}
        yield from line


def _lines(output: bytes) -> list[list[tuple[str, _Style]]]:
    text = output.decode("utf-8", "replace")
    style: _Style = {}
    screen = Screen(style)
    start = 0
    for control in _CONTROL.finditer(text):
        screen.write(text[start : control.start()], style)
        start = control.end()
        if control["sgr"] is not None:
            style = _restyle(style, control["sgr"])
        elif control["final"] or control["move"]:
            screen.execute(control["final"] or control["move"], control["parameter"] or "")
    screen.write(text[start:], style)
    return screen.lines


def _span(text: str, style: _Style) -> str:
    classes = " ".join(_classes(style))
    if not classes:
        return html.escape(text)
    return f'<span class="{classes}">{html.escape(text)}</span>'


def _classes(style: _Style) -> list[str]:
    names = [name for name in style.values() if name]
    if "inverse" not in names:
        return names
    # Foreground and background are swapped: f1 becomes b1.
    swapped = {"f": "b", "b": "f"}
    return [swapped[name[0]] + name[1:] if name[1:].isdigit() else name for name in names]


def _restyle(style: _Style, codes: str) -> _Style:
    """Apply the codes of one SGR sequence, such as `1;31`."""
    numbers = iter([int(code[:4] or 0) for code in codes.split(";") if ":" not in code])
    for number in numbers:
        if number == 0:
            style = {}
        elif number in (38, 48):
            _skip_colour(numbers)
        elif number in _CODES:
            attribute, name = _CODES[number]
            style = {**style, attribute: name}
    return style


def _skip_colour(numbers: Iterator[int]) -> None:
    """Skip the arguments of 38 or 48: `5;N`, or `2;R;G;B`."""
    arguments = {5: 1, 2: 3}.get(next(numbers, 0), 0)
    for _ in range(arguments):
        next(numbers, 0)
