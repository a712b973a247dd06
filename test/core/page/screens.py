"""Output and what it leaves on a terminal: cases of `core/page/screen.py` and `client/screen.js`."""

import json
from pathlib import Path

CASES: list[tuple[str, str]] = [
    (output, text)
    for output, text in json.loads((Path(__file__).parent / "screen.json").read_text("utf-8"))
]
