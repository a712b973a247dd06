"""The pages of our own: what went wrong and what to do, as HTML, JSON or plain text.

The rule: everything in a page is somebody's text, and is escaped. The HTML needs nothing from
outside, runs only the script below (`CONTENT_SECURITY_POLICY` pins it by its hash), and comes back
by itself: the page knows the state it was made in, listens to LiveReload, and reloads as soon as
that state is over, also if it ended before the page was listening. No I/O.
"""

import base64
import hashlib
import html
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from httpprocessproxy.core import ansi
from httpprocessproxy.core.negotiate import choose

TEXT: Final = "text/plain"
HTML: Final = "text/html"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Problem:
    """What to tell a client.

    `detail` is a sentence or two, with what to do; `output` is the tail of the backend's output.
    `state` and `generation` are those of `/_hpp/status` at the time the page is made.
    """

    status: int
    title: str
    detail: str
    output: bytes = b""
    retry_after_s: int | None = None
    state: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    content_type: bytes
    body: bytes


def render(problem: Problem, accept: bytes, reload: bool) -> Page:
    """Make the page in the form that `accept`, the request's Accept field, asks for.

    `reload` lets the HTML reload by itself: only for a GET, which is safe to repeat.
    """
    kind = choose(accept, (TEXT, HTML, JSON))
    if kind == HTML:
        return _page(b"text/html; charset=utf-8", _html(problem, reload))
    if kind == JSON:
        return _page(b"application/json", _json(problem))
    return _page(b"text/plain; charset=utf-8", _text(problem))


def _page(content_type: bytes, text: str) -> Page:
    # "replace": a file name in the text may hold bytes that are no UTF-8.
    return Page(content_type, text.encode("utf-8", "replace"))


def _text(problem: Problem) -> str:
    output = ansi.to_text(problem.output).strip("\n")
    parts = [f"{problem.status} {problem.title}", problem.detail, output]
    return "\n\n".join(part for part in parts if part) + "\n"


def _json(problem: Problem) -> str:
    members = {
        "status": problem.status,
        "title": problem.title,
        "detail": problem.detail,
        "output": ansi.to_text(problem.output),
        "retry_after_s": problem.retry_after_s,
    }
    return json.dumps(members) + "\n"


def _html(problem: Problem, reload: bool) -> str:
    output = ansi.to_html(problem.output).strip("\n")
    return _TEMPLATE.format(
        state=html.escape(problem.state),
        generation=problem.generation,
        style=_STYLE,
        status=problem.status,
        reason=_reason(problem.status),
        title=html.escape(problem.title),
        detail=html.escape(problem.detail),
        # Without the newline, a <pre> would swallow the output's own first one.
        output=f'<div class="output" tabindex="0"><pre>\n{output}</pre></div>' if output else "",
        promise="This page reloads by itself when the server is back. " if reload else "",
        script=f"<script>{_SCRIPT}</script>" if reload else "",
    )


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


_TEMPLATE: Final = """<!doctype html>
<html lang="en" data-state="{state}" data-generation="{generation}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{status} {title}</title>
<style>{style}</style>
</head>
<body>
<main>
<p class="status">{status} {reason}</p>
<h1>{title}</h1>
<p>{detail}</p>
{output}
<footer>{promise}http-process-proxy</footer>
</main>
{script}
</body>
</html>
"""

# The output starts scrolled to its end (column-reverse), where the reason of a crash is.
_LAYOUT: Final = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --ink: #1c2128; --faint: #6b7280; --mark: #c2410c }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171c; --ink: #e3e6ea; --faint: #8b929c; --mark: #fb923c }
}
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 62rem; margin: 0 auto; padding: 10vh 1.5rem 3rem }
h1 { margin: .2em 0 .4em; font-size: 1.9rem; line-height: 1.2 }
p { margin: 0 0 1.5rem; max-width: 45rem; white-space: pre-line; overflow-wrap: anywhere }
.status { margin: 0; color: var(--mark); font-weight: 600 }
.output { display: flex; flex-direction: column-reverse; max-height: 60vh; overflow: auto;
  color-scheme: dark; border-radius: .5rem; background: #1b1f27; color: #d5dae1 }
pre { margin: 0; padding: 1rem; font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere }
footer { margin-top: 1.5rem; color: var(--faint); font-size: .85rem }
.bold { font-weight: 700 } .dim { opacity: .65 } .italic { font-style: italic }
.underline { text-decoration: underline }
"""

# The 16 colours of a terminal, for the classes that `ansi.to_html` writes.
_PALETTE: Final = (
    *("#5c6370", "#f0717b", "#98c379", "#e5b567", "#6cb2f7", "#c98be0", "#56c2cf", "#c8cdd5"),
    *("#828997", "#ff8f98", "#b5e08f", "#ffd285", "#92c9ff", "#e0a8f3", "#7fe0ea", "#ffffff"),
)
_STYLE: Final = _LAYOUT + "".join(
    f".f{number} {{ color: {colour} }} .b{number} {{ background: {colour} }}\n"
    for number, colour in enumerate(_PALETTE)
)

# The port is always written out: from a URL without one, livereload.js would take 35729.
_SCRIPT: Final = """
(function () {
  var made = document.documentElement.dataset;
  function reloadIfOver(now) {
    if (now.state !== made.state || String(now.generation) !== made.generation) location.reload();
  }
  document.addEventListener('LiveReloadConnect', function () {
    fetch('/_hpp/status', {cache: 'no-store'})
      .then(function (response) { return response.json(); })
      .then(reloadIfOver, function () { /* the proxy has gone: the next connection asks again */ });
  });
  var port = location.port || (location.protocol === 'https:' ? 443 : 80);
  var script = document.createElement('script');
  script.src = '/_hpp/livereload.js?port=' + port
    + '&path=_hpp/livereload&mindelay=100&maxdelay=1000';
  document.head.appendChild(script);
})();
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; script-src 'self' {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
).encode()
