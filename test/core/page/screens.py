"""Terminal outputs and their final lines, for `core/page/screen.py` and `client/screen.js`."""

import json
from pathlib import Path

CASES: list[tuple[str, str]] = [
    (output, text)
    for output, text in json.loads((Path(__file__).parent / "screen.json").read_text("utf-8"))
]
