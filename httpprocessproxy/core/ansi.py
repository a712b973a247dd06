"""Terminal output as HTML or as plain text: colours kept or dropped (ECMA-48 section 8.3.117).

Every other control sequence goes. What is left is text: escaped for HTML, whatever it was. No I/O.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Final

# Colours (SGR); strings up to their terminator (titles, links); other sequences; controls.
_CONTROL: Final = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_NEWLINE: Final = re.compile(r"\r\n?")

_Style = Mapping[str, str]

# What an SGR code sets: a slot, and the CSS class in it ("" empties the slot).
_CODES: Final[Mapping[int, tuple[str, str]]] = {
    1: ("weight", "bold"),
    2: ("weight", "dim"),
    3: ("slant", "italic"),
    4: ("line", "underline"),
    22: ("weight", ""),
    23: ("slant", ""),
    24: ("line", ""),
    39: ("ink", ""),
    49: ("paper", ""),
    **{30 + colour: ("ink", f"f{colour}") for colour in range(8)},
    **{90 + colour: ("ink", f"f{colour + 8}") for colour in range(8)},
    **{40 + colour: ("paper", f"b{colour}") for colour in range(8)},
    **{100 + colour: ("paper", f"b{colour + 8}") for colour in range(8)},
}


def to_text(output: bytes) -> str:
    """Decode, and drop every control sequence."""
    return _CONTROL.sub("", _decode(output))


def to_html(output: bytes) -> str:
    """Decode, escape, and put the 16 colours into `<span class=…>`; finer colours are dropped."""
    return "".join(_spans(_decode(output)))


def _decode(output: bytes) -> str:
    return _NEWLINE.sub("\n", output.decode("utf-8", "replace"))


def _spans(text: str) -> Iterator[str]:
    style: _Style = {}
    start = 0
    for control in _CONTROL.finditer(text):
        yield _span(text[start : control.start()], style)
        start = control.end()
        if control["sgr"] is not None:
            style = _restyle(style, control["sgr"])
    yield _span(text[start:], style)


def _span(text: str, style: _Style) -> str:
    classes = " ".join(name for name in style.values() if name)
    if not text or not classes:
        return html.escape(text)
    return f'<span class="{classes}">{html.escape(text)}</span>'


def _restyle(style: _Style, codes: str) -> _Style:
    """Apply the codes of one sequence, as in `1;31`."""
    numbers = iter([int(code[:4] or 0) for code in codes.split(";") if ":" not in code])
    for number in numbers:
        if number == 0:
            style = {}
        elif number in (38, 48):
            _skip_colour(numbers)
        elif number in _CODES:
            slot, name = _CODES[number]
            style = {**style, slot: name}
    return style


def _skip_colour(numbers: Iterator[int]) -> None:
    """Pass over the arguments of 38 or 48: `5;N`, or `2;R;G;B`."""
    arguments = {5: 1, 2: 3}.get(next(numbers, 0), 0)
    for _ in range(arguments):
        next(numbers, 0)
