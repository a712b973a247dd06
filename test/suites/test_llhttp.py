"""llhttp's own test vectors, in strict mode: no invalid request reaches the backend.

test/run.sh fetches them, as a part of aiohttp's source distribution; they are not part of this
repository.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from test.deadline import PATIENCE_S
from test.harness import Proxy
from test.recorder import OK, Recorder
from test.wire import TruncatedError, Wire

VECTORS = Path(__file__).parents[2] / ".cache" / "llhttp"
COUNT, INVALID_COUNT = 117, 54

_BLOCK = re.compile(
    r"<!-- meta=(?P<meta>\{[^\n]*?\}) -->\s*^```http\n(?P<input>.*?)^```\n"
    r"(?:(?!^###|^```).)*?^```log\n(?P<log>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
# 21 and 22 are pauses, as at an Upgrade; 23 is a pause, too, but at the preface of HTTP/2.
_ERROR = re.compile(r" error code=(?!2[12] )")
_ESCAPE = re.compile(r"\\(?:x(?P<hex>[0-9a-fA-F]+)|(?P<octal>[0-7]{1,3})|(?P<letter>[rntf]))")
_LETTERS = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}


@dataclass(frozen=True)
class Vector:
    name: str
    request: bytes
    is_invalid: bool
    valid_requests: int


def unescape(text: str) -> bytes:
    """Decode llhttp's notation in the same way as its md-test.ts."""
    text = text.removesuffix("\n")
    text = re.sub(r"\\(\r\n|\r|\n)", "", text)
    text = re.sub(r"\r\n|\r|\n", "\r\n", text)
    return _ESCAPE.sub(_unescaped, text).encode()


def _unescaped(match: re.Match[str]) -> str:
    if match["hex"]:
        return chr(int(match["hex"], 16))
    return chr(int(match["octal"], 8)) if match["octal"] else _LETTERS[match["letter"]]


def with_host(request: bytes) -> bytes:
    """Add a missing Host, which would cause a 400: the vectors test other errors."""
    first, newline, rest = request.partition(b"\r\n")
    head = rest.partition(b"\r\n\r\n")[0]
    if not newline or re.search(rb"(?im)^host\s*:", head):
        return request
    return first + b"\r\nHost: localhost\r\n" + rest


def vectors() -> Iterator[Vector]:
    for path in sorted(VECTORS.glob("*.md")):
        text = path.read_text()
        for match in _BLOCK.finditer(text):
            if re.search(r'"type":\s*"request"', match["meta"]) and '"pause"' not in match["meta"]:
                line = text.count("\n", 0, match.start()) + 1
                yield Vector(
                    name=f"{path.stem}:{line}",
                    request=with_host(unescape(match["input"])),
                    is_invalid=_ERROR.search(match["log"]) is not None,
                    valid_requests=match["log"].count("message complete"),
                )


# Vectors whose only error is a method that llhttp does not know. Any token is a method (RFC 9110
# section 9.1), so the request goes to the backend.
UNKNOWN_METHODS = {"invalid:358"}


def test_vectors_are_present() -> None:
    found = list(vectors())
    assert len(found) == COUNT, f"run test/run.sh: it fetches them to {VECTORS}"
    assert sum(vector.is_invalid for vector in found) == INVALID_COUNT


def test_backend_gets_no_request_that_llhttp_refuses(tmp_path: Path) -> None:
    """The valid requests before the error in an invalid vector may reach the backend."""
    with (
        Recorder() as recorder,
        Proxy(tmp_path, recorder.command, "--ping", "tcp") as proxy,
        ThreadPoolExecutor(1) as pool,
    ):
        proxy.running()
        too_many = {}
        for vector in vectors():
            received = pool.submit(serve_until_canary, recorder)
            send(proxy, vector.request)
            expected = vector.valid_requests + (vector.name in UNKNOWN_METHODS)
            if len(requests := received.result(PATIENCE_S)) > expected:
                too_many[vector.name] = requests
        assert too_many == {}
        assert proxy.status()["generation"] == 1


def send(proxy: Proxy, request: bytes) -> None:
    """Send a vector, read all responses, and then send a canary on another connection."""
    with Wire.connect(proxy.port) as client:
        client.send(request)
        client.finish()
        client.rest()
    proxy.get("/canary")


def serve_until_canary(recorder: Recorder) -> list[bytes]:
    """Answer every complete request; one that was cut does not count (RFC 9112 section 8)."""
    received: list[bytes] = []
    while True:
        wire = recorder.next()
        try:
            request = wire.request()
        except TruncatedError:
            continue
        wire.send(OK)
        if request.target == b"/canary":
            recorder.forget()
            return received
        received.append(request.first)
