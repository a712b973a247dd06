"""The access policy: passwords, allow-lists, attempts to bypass them, and debuggers."""

import base64

import pytest

from httpprocessproxy.companions.share.protocol import VisitHead
from httpprocessproxy.companions.share.worker.policy import Allowed, Credentials, Policy, is_console
from httpprocessproxy.core.errors import UserError


def visit(url: str, method: str = "GET", authorization: str = "") -> VisitHead:
    fields = [("Authorization", authorization)] if authorization else []
    return VisitHead("id", method, url, "192.0.2.1", fields)


def status(policy: Policy, head: VisitHead) -> int:
    refusal = policy.refusal(head)
    return 200 if refusal is None else refusal.problem.status


def basic(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (basic("ann:se:cret"), 200),
        (basic("ann:se:cret", "basic"), 200),
        ("", 401),
        ("Basic", 401),
        ("Basic !!!", 401),
        (basic("ann:se:cre"), 401),
        (basic("ann:"), 401),
        (basic("Ann:se:cret"), 401),
        (basic("ann:se:cret", "Bearer"), 401),
        ("Basic é", 401),
    ],
)
def test_visit_is_allowed_only_with_the_password(authorization: str, expected: int) -> None:
    policy = Policy(Credentials.parse("ann:se:cret"), (), hides_own_pages=False)
    assert status(policy, visit("/", authorization=authorization)) == expected


def test_refusal_without_password_names_a_realm() -> None:
    policy = Policy(Credentials.parse("ann:x"), (), hides_own_pages=False)
    refusal = policy.refusal(visit("/"))
    assert refusal is not None
    assert refusal.fields["WWW-Authenticate"].startswith('Basic realm="')


@pytest.mark.parametrize("text", ["", "ann", "ann:", ":x"])
def test_invalid_credentials_raise_user_error(text: str) -> None:
    with pytest.raises(UserError, match="USER:PASS"):
        Credentials.parse(text)


# Some server reads each of these as ".." or ".".
DOTS = [
    *("..;", "..;x=1", "..%3b", "..%3Bx=1", ";/..", "..%00", "%00..", "..%09", "..%0a", "..%20"),
    *("..%5c", "..%c0%af", "%c0%ae%c0%ae", "..%85", ".;", ".;x", ".%3b", "%2e;", ".%00", ". "),
]


@pytest.mark.parametrize(
    ("method", "url", "expected"),
    [
        ("GET", "/public/a", 200),
        ("GET", "/public/a/b.c?x=/../", 200),
        ("HEAD", "/public/a", 200),
        ("POST", "/public/a", 403),
        ("GET", "/private", 403),
        ("GET", "/", 403),
        ("GET", "/Public/a", 403),
        ("GET", "/public/../private", 403),
        ("GET", "/public/%2e%2e/private", 403),
        ("GET", "/public/..%2fprivate", 403),
        ("GET", "/public/.%2E/private", 403),
        ("GET", "/public/..\\private", 403),
        ("GET", "/public/%5c..%5cprivate", 403),
        ("GET", "/public/%252e%252e/private", 403),
        ("GET", "/public//x", 403),
        *(("GET", f"/public/{dots}/private", 403) for dots in DOTS),
        *(("GET", f"/public/{dots}", 403) for dots in DOTS),
        ("GET", "/public/a%00b", 403),
        ("GET", "/public/a%0d%0aX:%20y", 403),
        ("GET", "/public/a%c0%afb", 403),
        ("GET", "/public/a%e9", 403),
        ("GET", "/public/a;v=1/b", 200),
        ("GET", "/public/a..b/...", 200),
        ("POST", "/hooks/a;/b", 403),
        ("POST", "/hooks;x/../a", 403),
        ("POST", "/admin/secret;x=.css", 403),
        ("POST", "/styles/a.css", 200),
        ("POST", "/styles/secret;a.css", 403),
        ("GET", "/public/caf%C3%A9", 200),
        ("POST", "/hooks/one", 200),
        ("DELETE", "/hooks/one", 200),
        ("POST", "/hooks/one/two", 403),
    ],
)
def test_visit_is_allowed_only_if_a_rule_matches(method: str, url: str, expected: int) -> None:
    rules = [Allowed.parse("GET /public/**"), Allowed.parse("* /hooks/*")]
    rules.append(Allowed.parse("POST /styles/*.css"))
    assert status(Policy(None, rules, hides_own_pages=False), visit(url, method)) == expected


@pytest.mark.parametrize("text", ["", "GET", "GET public", "/public", "G(T /a", "GET/a"])
def test_invalid_rule_raises_user_error(text: str) -> None:
    with pytest.raises(UserError, match="not a rule"):
        Allowed.parse(text)


@pytest.mark.parametrize(
    "url",
    [
        "/_hpp/status",
        "/_hpp",
        "//_hpp/x",
        "/%5fhpp/",
        "/_hpp/client.js",
        "/x/../_hpp/status",
        "/./_hpp",
    ],
)
def test_hpp_pages_are_refused_if_hidden(url: str) -> None:
    assert status(Policy(None, (), hides_own_pages=True), visit(url)) == 403
    assert status(Policy(None, (), hides_own_pages=False), visit(url)) == 200


def test_path_that_only_begins_like_hpp_is_allowed() -> None:
    assert status(Policy(None, (), hides_own_pages=True), visit("/_hpps/x")) == 200


@pytest.mark.parametrize(
    "url",
    [
        "/?__debugger__=yes&cmd=1&s=x",
        "/x?a=1&%5F%5Fdebugger%5f%5f=yes",
        "/?__debugger__",
    ],
)
def test_visit_to_a_debugger_is_refused(url: str) -> None:
    assert status(Policy(None, (), hides_own_pages=False), visit(url)) == 403


@pytest.mark.parametrize(
    ("url", "server", "expected"),
    [
        ("/console", "Werkzeug/3.0.1 Python/3.11", True),
        ("/console/", "werkzeug/2", True),
        ("/%63onsole?x", "Werkzeug/3", True),
        ("/console", "nginx", False),
        ("/consoles", "Werkzeug/3", False),
        ("/console/log", "Werkzeug/3", False),
        ("//console", "Werkzeug/3", True),
        ("///console//", "Werkzeug/3", True),
        ("/%2fconsole", "Werkzeug/3", True),
        ("/./console", "Werkzeug/3", True),
        ("/x/../console", "Werkzeug/3", True),
        ("/console;x", "Werkzeug/3", True),
    ],
)
def test_werkzeug_console_is_recognised(url: str, server: str, expected: bool) -> None:
    assert is_console(visit(url), server) is expected
