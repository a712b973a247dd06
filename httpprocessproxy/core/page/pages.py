"""The proxy's error pages: the problem and its solution, as HTML, JSON or plain text.

The rule: all text in a page is untrusted, and is escaped. The HTML loads nothing
(`CONTENT_SECURITY_POLICY`) but the proxy's client.js, which reloads the page: the page carries the
state it was made in, and is reloaded as soon as that state has ended, even if it ended before the
page was connected. A live page shows the backend's output as it arrives. No I/O.
"""

import base64
import hashlib
import html
import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from httpprocessproxy.core.http.negotiate import choose
from httpprocessproxy.core.page import ansi

TEXT: Final = "text/plain"
HTML: Final = "text/html"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Problem:
    """An error response of the proxy.

    `detail` is a sentence or two, with advice; `output` is the tail of the backend's output.
    `state` and `generation` are those of `/_hpp/status` at the time the page is made. A page that
    `is_live` follows both, and shows the output as it arrives. Both are those of `service`, or,
    without a name, of the service of the page's URL. `public_detail` replaces `detail` for
    untrusted clients, where it has to differ. A page that `is_final` does not reload by itself: the
    proxy does not learn of the end of the problem.
    """

    status: int
    title: str
    detail: str
    output: bytes = b""
    retry_after_s: int | None = None
    state: str = ""
    generation: int = 0
    is_live: bool = False
    public_detail: str = ""
    service: str = ""
    is_final: bool = False

    def for_strangers(self) -> "Problem":
        """Return the problem for untrusted clients: without the output and the command."""
        return replace(self, output=b"", detail=self.public_detail or self.detail)


@dataclass(frozen=True, slots=True)
class Page:
    content_type: bytes
    body: bytes


def render(problem: Problem, accept: bytes, reload: bool) -> Page:
    """Render the page in the format that `accept`, the request's Accept field, prefers.

    `reload` makes the HTML reload by itself: only for a GET, which is safe to repeat.
    """
    kind = choose(accept, (TEXT, HTML, JSON))
    if kind == HTML:
        return _page(b"text/html; charset=utf-8", _html(problem, reload))
    if kind == JSON:
        return _page(b"application/json", _json(problem))
    return _page(b"text/plain; charset=utf-8", _text(problem))


def _page(content_type: bytes, text: str) -> Page:
    # "replace": a file name in the text may contain bytes that are not UTF-8.
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
    is_live = problem.is_live and reload
    return _TEMPLATE.format(
        kind="live" if is_live else "",
        service=f' data-service="{html.escape(problem.service)}"' if problem.service else "",
        state=html.escape(problem.state),
        generation=problem.generation,
        style=_STYLE,
        status=problem.status,
        reason=_reason(problem.status),
        title=html.escape(problem.title),
        detail=html.escape(problem.detail),
        # HTML drops the first newline in a <pre>: without this one, the output's own.
        output=_OUTPUT.format(output) if output or is_live else "",
        promise=_PROMISE if reload and not is_live else "",
        script=_SCRIPT if reload else "",
    )


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


_TEMPLATE: Final = """<!doctype html>
<html lang="en" data-hpp-page="{kind}"{service} data-state="{state}" data-generation="{generation}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{status} {title}</title>
<style>{style}</style>
{script}
</head>
<body>
<main>
<p class="status">{status} {reason}</p>
<h1>{title}</h1>
<p>{detail}</p>
{output}
<footer>{promise}http-process-proxy</footer>
</main>
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
.output:has(pre:empty) { display: none }
.place { color: inherit; cursor: pointer; text-decoration: underline dotted }
.place:focus-visible { outline: 2px solid var(--mark) }
.bold { font-weight: 700 } .dim { opacity: .65 } .italic { font-style: italic }
.underline { text-decoration: underline }
.inverse { color: #1b1f27; background: #d5dae1 }
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

_OUTPUT: Final = '<div class="output" tabindex="0"><pre>\n{}</pre></div>'
_PROMISE: Final = "This page reloads by itself when the server is back. "
_SCRIPT: Final = '<script src="/_hpp/client.js" async></script>'


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; script-src 'self'; style-src {_hash(_STYLE)}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
).encode()
