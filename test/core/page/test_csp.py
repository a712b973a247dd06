"""Content-Security-Policies of servers, and their form with the script permitted."""

import time

import pytest

from httpprocessproxy.core.page.csp import has_meta_policy, permit

OURS = b"0urs"

# A policy, its extended form, and the nonce of the tag.
POLICIES = [
    # Unchanged
    (b"", b"", b""),
    (b"img-src 'none'", b"img-src 'none'", b""),
    (b"script-src 'self'; connect-src *", b"script-src 'self'; connect-src *", b""),
    (b"default-src 'SELF' data:", b"default-src 'SELF' data:", b""),
    (b"default-src *", b"default-src *", b""),
    (b"sandbox allow-scripts; base-uri 'none'", b"sandbox allow-scripts; base-uri 'none'", b""),
    (b"upgrade-insecure-requests;", b"upgrade-insecure-requests;", b""),
    # Policies with origins
    (b"script-src https://a.example", b"script-src https://a.example 'self'", b""),
    (b"img-src *;  Script-Src 'none' ;x", b"img-src *;  script-src 'self';x", b""),
    (b"script-src 'None'", b"script-src 'self'", b""),
    (b"script-src", b"script-src 'self'", b""),
    (b"script-src-elem a; script-src b", b"script-src-elem a 'self'; script-src b", b""),
    (b"script-src-attr 'none'", b"script-src-attr 'none'", b""),
    (b"script-src 'self';connect-src a", b"script-src 'self';connect-src a 'self'", b""),
    (b"connect-src 'none'", b"connect-src 'self'", b""),
    (b"script-src a; script-src 'self'", b"script-src a 'self'; script-src 'self'", b""),
    (
        b"default-src 'none'; img-src 'self';",
        b"default-src 'none'; img-src 'self'; script-src 'self'; connect-src 'self'",
        b"",
    ),
    (
        b"default-src a 'unsafe-inline'",
        b"default-src a 'unsafe-inline'; script-src a 'unsafe-inline' 'self'; connect-src a 'self'",
        b"",
    ),
    # Policies with nonces
    (b"script-src 'nonce-aB1+/_-='", b"script-src 'nonce-aB1+/_-='", b"aB1+/_-="),
    (
        b"script-src 'strict-dynamic' 'nonce-a'; default-src b",
        b"script-src 'strict-dynamic' 'nonce-a'; default-src b; connect-src b 'self'",
        b"a",
    ),
    (b"script-src 'Nonce-a' 'none'", b"script-src 'Nonce-a' 'none'", b"a"),
    (
        b"default-src 'nonce-a' 'strict-dynamic' b",
        b"default-src 'nonce-a' 'strict-dynamic' b; connect-src b 'self'",
        b"a",
    ),
    (b"style-src 'nonce-a'; script-src b", b"style-src 'nonce-a'; script-src b 'self'", b""),
    (b"""script-src 'nonce-"><x>'""", b"""script-src 'nonce-"><x>' 'self'""", b""),
    (
        b"script-src 'self' 'strict-dynamic' 'sha256-x'",
        b"script-src 'self' 'strict-dynamic' 'sha256-x' 'nonce-0urs'",
        OURS,
    ),
    # Several at once, in one field
    (
        b"script-src 'nonce-a', script-src b, script-src 'strict-dynamic', script-src 'nonce-c'",
        b"script-src 'nonce-a', script-src b 'self', script-src 'strict-dynamic' 'nonce-a',"
        b" script-src 'nonce-c' 'self'",
        b"a",
    ),
    (
        b"default-src 'none',connect-src 'self'",
        b"default-src 'none'; script-src 'self'; connect-src 'self',connect-src 'self'",
        b"",
    ),
    (
        b"script-src 'strict-dynamic', script-src 'none'",
        b"script-src 'strict-dynamic' 'nonce-0urs', script-src 'self'",
        OURS,
    ),
]


@pytest.mark.parametrize(("policy", "expected", "nonce"), POLICIES)
def test_policy_is_extended_for_the_script(policy: bytes, expected: bytes, nonce: bytes) -> None:
    permission = permit([policy], OURS)
    assert permission is not None
    assert permission.values == [expected]
    assert permission.nonce == nonce


@pytest.mark.parametrize(("policy", "expected", "nonce"), POLICIES)
def test_extended_policy_is_not_extended_again(
    policy: bytes, expected: bytes, nonce: bytes
) -> None:
    permission = permit([expected], OURS)
    assert permission is not None
    assert permission.values == [expected]


def test_each_field_is_extended_as_a_policy() -> None:
    permission = permit([b"script-src a", b"script-src 'nonce-b'"], OURS)
    assert permission is not None
    assert permission.values == [b"script-src a 'self'", b"script-src 'nonce-b'"]
    assert permission.nonce == b"b"


def test_response_without_policy_gets_no_policy() -> None:
    permission = permit([], OURS)
    assert permission is not None
    assert (permission.values, permission.nonce) == ([], b"")


@pytest.mark.parametrize(
    "policy",
    [
        b"sandbox",
        b"default-src 'self'; Sandbox allow-forms",
        b"script-src 'self', sandbox allow-same-origin",
    ],
)
def test_sandbox_without_scripts_forbids_the_script(policy: bytes) -> None:
    assert permit([policy], OURS) is None


META = b'<meta http-equiv="Content-Security-Policy" content="script-src a">'


@pytest.mark.parametrize(
    "content",
    [
        META,
        b"<head>" + META.upper(),
        b"<meta content='default-src *'\nhttp-equiv = content-security-policy>",
        b"<meta http-equiv=Content-Security-Policy content=x>",
        b"<!-- x --><script>1</script><title>x</title>" + META,
    ],
)
def test_policy_in_a_meta_element_is_found(content: bytes) -> None:
    assert has_meta_policy(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!-- " + META,
        b"<!-- " + META + b"-->",
        b"<script>'" + META + b"'</script>",
        b"<STYLE>" + META + b"</style >",
        b'<meta http-equiv="Content-Security-Policy-Report-Only" content="script-src a">',
        b'<meta http-equiv="Content-Type" content="x">Content-Security-Policy',
        b'<meta name="Content-Security-Policy">',
        b"<meta><p http-equiv=Content-Security-Policy>",
    ],
)
def test_text_that_is_not_a_meta_policy_is_ignored(content: bytes) -> None:
    assert not has_meta_policy(content)


@pytest.mark.parametrize(
    "bit", [b"<meta ", b"<meta http-equiv=", b"<!--", b"<script>", b"</script"]
)
def test_search_for_a_meta_policy_takes_linear_time(bit: bytes) -> None:
    began = time.process_time()
    has_meta_policy(bit * (256 * 1024 // len(bit)) + b"Content-Security-Policy")
    assert time.process_time() - began < 2
