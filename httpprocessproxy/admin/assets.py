"""Static files. `static/client/` has the parts of the script for every page, `static/dashboard/`
those of the dashboard; parts are concatenated in order. `static/livereload.js` is
dist/livereload.min.js of the npm package livereload-js 4.0.2, unchanged; its licence lies beside
it."""

import base64
import functools
import hashlib
import importlib.resources
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """A script or a style sheet, and its entity tag, a hash of the content."""

    body: bytes
    etag: str

    @property
    def integrity(self) -> bytes:
        """The digest as the value of an `integrity` attribute (Subresource Integrity)."""
        return b"sha384-" + base64.b64encode(hashlib.sha384(self.body).digest())


# The first part saves the browser's functions, the others define, and the last one starts.
_CLIENT: Final = (
    *("names", "tree", "connection", "states", "fields", "keeping", "caches", "swapping"),
    *("images", "screen", "terminal", "places", "live", "layer", "overlay", "start"),
)
_DASHBOARD: Final = (
    *("client/screen", "client/terminal", "client/places"),
    *(
        "dashboard/parts",
        "dashboard/services",
        "dashboard/server",
        "dashboard/restarts",
        "dashboard/notices",
    ),
    *("dashboard/hops", "dashboard/requests", "dashboard/details", "dashboard/output"),
    "dashboard/events",
)
_STATIC: Final = importlib.resources.files(__package__) / "static"


@functools.cache
def client_js() -> Script:
    """Concatenate client.js, once. It leaves no globals in a page."""
    parts = [_part(f"client/{name}") for name in _CLIENT]
    return _script("\n".join(["(() => {\n'use strict';\n", *parts, "})();\n"]).encode())


@functools.cache
def dashboard_js() -> Script:
    """Concatenate the script of the dashboard, once."""
    parts = [_part(name) for name in _DASHBOARD]
    return _script("\n".join(["'use strict';\n", *parts]).encode())


@functools.cache
def dashboard_css() -> Script:
    return _script((_STATIC / "dashboard" / "dashboard.css").read_bytes())


@functools.cache
def dashboard_html() -> str:
    """Read the page of the dashboard, a template with {nonce} and {token}."""
    return (_STATIC / "dashboard" / "dashboard.html").read_text("utf-8")


@functools.cache
def livereload_js() -> Script:
    """Read livereload.js, once."""
    return _script((_STATIC / "livereload.js").read_bytes())


def _part(name: str) -> str:
    return without_comments((_STATIC / f"{name}.js").read_text("utf-8"))


def without_comments(source: str) -> str:
    """Remove comments and indentation: browsers need neither.

    Lines keep their numbers, and lines within a template literal their indentation. In the static
    scripts a line with an odd number of backticks begins or ends such a literal.
    """
    lines = []
    is_literal = False
    for line in source.split("\n"):
        code = line if is_literal else _code(line)
        is_literal ^= code.count("`") % 2 == 1
        lines.append(code)
    return "\n".join(lines)


def _code(line: str) -> str:
    """A line without its comment. Two slashes after an odd number of quotes are in a string."""
    code, mark, _ = f" {line}".partition(" // ")
    is_string = any(code.count(quote) % 2 for quote in "'\"`")
    return code.strip(" ") if mark and not is_string else line.lstrip(" ")


def _script(body: bytes) -> Script:
    return Script(body, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
