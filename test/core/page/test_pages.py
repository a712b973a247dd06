"""Error pages: in the preferred format, escaped, and with client.js as the only script."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from httpprocessproxy.core.page.pages import CONTENT_SECURITY_POLICY, Problem, render

BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CRASH = Problem(
    503,
    "The server ended with exit code 1",
    "Mend the error and save.",
    output=b"\x1b[31mTraceback\x1b[0m\n<script>alert(1)</script>\n",
    retry_after_s=2,
    state="error",
    generation=7,
)


def html(problem: Problem, reload: bool = True) -> str:
    page = render(problem, BROWSER, reload)
    assert page.content_type == b"text/html; charset=utf-8"
    return page.body.decode()


def test_plain_text_has_status_detail_and_output() -> None:
    page = render(CRASH, b"*/*", reload=True)
    assert page.content_type == b"text/plain; charset=utf-8"
    assert page.body.decode() == (
        "503 The server ended with exit code 1\n"
        "\n"
        "Mend the error and save.\n"
        "\n"
        "Traceback\n"
        "<script>alert(1)</script>\n"
    )


def test_plain_text_without_output() -> None:
    page = render(Problem(404, "Not Found", ""), b"", reload=False)
    assert page.body == b"404 Not Found\n"


def test_json_has_all_members() -> None:
    page = render(CRASH, b"application/json", reload=True)
    assert page.content_type == b"application/json"
    assert json.loads(page.body) == {
        "status": 503,
        "title": "The server ended with exit code 1",
        "detail": "Mend the error and save.",
        "output": "Traceback\n<script>alert(1)</script>\n",
        "retry_after_s": 2,
    }


def test_problem_for_untrusted_clients_has_no_output_and_the_public_detail() -> None:
    problem = replace(CRASH, detail="cannot start `./run --key s3cret`", public_detail="No start.")
    page = render(problem.for_strangers(), b"*/*", reload=True)
    assert page.body == b"503 The server ended with exit code 1\n\nNo start.\n"
    assert CRASH.for_strangers() == replace(CRASH, output=b"")


def test_html_shows_the_output_escaped_and_coloured() -> None:
    page = html(CRASH)
    assert '<span class="f1">Traceback</span>\n&lt;script&gt;alert(1)&lt;/script&gt;</pre>' in page
    assert "alert(1)</script>" not in page


@pytest.mark.parametrize("field", ["title", "detail", "state", "output"])
def test_html_escapes_every_field(field: str) -> None:
    texts = {"title": "", "detail": "", "state": "", field: "</pre><img src=x onerror='a\"'>{x}"}
    output = texts.pop("output", "").encode()
    page = html(Problem(503, texts["title"], texts["detail"], output, state=texts["state"]))
    assert "<img" not in page
    assert "&lt;img src=x onerror=&#x27;a&quot;&#x27;&gt;{x}" in page


def test_live_page_has_an_element_for_future_output() -> None:
    live = Problem(503, "Starting", "", state="loading", generation=1, is_live=True)
    assert 'data-hpp-page="live" data-state="loading" data-generation="1"' in html(live)
    assert "<pre>\n</pre>" in html(live)
    assert "<pre>" not in html(live, reload=False)
    assert 'data-hpp-page=""' in html(live, reload=False)


def test_html_without_output_has_no_output_element() -> None:
    assert "<pre>" not in html(Problem(502, "No answer", "Look at the terminal."))


def test_html_loads_only_the_script() -> None:
    assert not re.findall(r"https?://|//[a-z]|\bsrc=|@import|url\(", html(CRASH, reload=False))
    assert re.findall(r"\bsrc=\S*", html(CRASH)) == ['src="/_hpp/client.js"']


def test_html_carries_state_and_generation() -> None:
    root = '<html lang="en" data-hpp-page="" data-state="error" data-generation="7">'
    assert root in html(CRASH)


def test_html_carries_the_service_whose_state_it_shows() -> None:
    page = html(replace(CRASH, service='"db"'))
    assert 'data-hpp-page="" data-service="&quot;db&quot;" data-state="error"' in page


def test_html_has_the_script_only_if_it_may_reload() -> None:
    assert '<script src="/_hpp/client.js" async></script>\n</head>' in html(CRASH)
    still = html(CRASH, reload=False)
    assert "<script" not in still
    assert "reloads by itself" not in still


def test_unknown_status_has_an_empty_reason() -> None:
    assert '<p class="status">599 </p>' in html(Problem(599, "Odd", ""))


def test_detail_with_invalid_utf_8_is_rendered() -> None:
    problem = Problem(503, "x", "cannot start \udcff")
    for accept in (BROWSER, b"application/json", b"*/*"):
        render(problem, accept, reload=True).body.decode()


def test_policy_allows_only_own_script_and_style() -> None:
    page, policy = html(CRASH), CONTENT_SECURITY_POLICY.decode()
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"\s(style|on[a-z]+)=", page)


def test_every_class_of_coloured_output_has_a_style() -> None:
    output = b"".join(b"\x1b[%dmx" % code for code in range(110))
    page = html(Problem(503, "x", "", output))
    names = {name for names in re.findall(r'<span class="([^"]+)"', page) for name in names.split()}
    assert len(names) == 37  # 16 + 16 colours, four text attributes, inverse video
    assert not [name for name in names if f".{name} {{" not in page]


def test_output_of_control_sequences_only_makes_a_small_page() -> None:
    output = b"\x1b[31m" * 13_000
    assert len(html(Problem(503, "x", "", output))) < 10_000
