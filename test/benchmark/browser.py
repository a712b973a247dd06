"""The header fields of a browser's request, read from the script for wrk."""

import re
from pathlib import Path

SCRIPT = Path(__file__).with_name("browser.lua")
FIELD = re.compile(r"""wrk\.headers\["(.+?)"\]\s*=\s*(?:"([^"]*)"|'([^']*)')\n""")


def browser_fields() -> list[tuple[str, str]]:
    """Names in lower case, and values; without Connection, which HTTP/2 and HTTP/3 do not have."""
    found = FIELD.findall(SCRIPT.read_text())
    fields = [(name.lower(), double or single) for name, double, single in found]
    return [(name, value) for name, value in fields if name != "connection"]
