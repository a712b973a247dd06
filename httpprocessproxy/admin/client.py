"""The client of a running proxy's API, for `--status`, `--restart` and `--wait`.

It sends HTTP requests to `/_hpp/` at the address BIND.
"""

import contextlib
import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from httpprocessproxy.config import Address

# Exit statuses. 2 is for bad input.
RUNNING, ERROR, UNSETTLED, NO_ANSWER = 0, 1, 3, 4

# A response may take this long in addition to the time that the request asks it to wait.
_ANSWER_TIMEOUT_S = 5.0
# The limit of the API for `timeout`.
_MAX_WAIT_S = 3600.0
# The start of a proxy can only be polled.
_RETRY_S = 0.05


class NoProxyError(Exception):
    """No proxy answers at the address, or it refuses the request; the text is for the user."""


class ConnectionFailedError(NoProxyError):
    """No program answers at the address, but one may soon."""


@dataclass(frozen=True, slots=True)
class AdminResponse:
    text: str
    exit_status: int


def ask(question: str, bind: Address, timeout_s: float, *, as_json: bool = False) -> AdminResponse:
    """Send the proxy at `bind` a request: "status", "restart" or "wait".

    The last two wait until the server runs or is in error, for `timeout_s` seconds at most;
    "wait" also waits until the proxy listens.
    """
    timeout_s = min(timeout_s, _MAX_WAIT_S)
    try:
        match question:
            case "status":
                reply = _request(bind, "GET", "/_hpp/status")
            case "restart":
                reply = _request(bind, "POST", "/_hpp/restart", timeout_s)
            case _:
                reply = _wait(bind, time.monotonic() + timeout_s)
    except NoProxyError as error:
        return AdminResponse(str(error), NO_ANSWER)
    return AdminResponse(json.dumps(reply.status) if as_json else reply.sentence, reply.exit_status)


@dataclass(frozen=True, slots=True)
class _Reply:
    """The status in a response of a proxy; `came_in_time`: the awaited state was reached."""

    status: Mapping[str, object]
    came_in_time: bool

    @property
    def exit_status(self) -> int:
        settled = {"running": RUNNING, "error": ERROR} if self.came_in_time else {}
        return settled.get(str(self.status["state"]), UNSETTLED)

    @property
    def sentence(self) -> str:
        status = self.status
        text = f"{status['state']}, generation {status['generation']}"
        if status["state"] == "error":
            return f"{text}: {status['reason']}"
        return f"{text}, pid {status['pid']}" if status["pid"] else text


def _wait(bind: Address, deadline: float) -> _Reply:
    while True:
        left_s = max(0.0, deadline - time.monotonic())
        try:
            return _request(bind, "GET", "/_hpp/status", left_s)
        except ConnectionFailedError:
            if not left_s:
                raise
        time.sleep(_RETRY_S)


def _request(bind: Address, method: str, target: str, wait_s: float | None = None) -> _Reply:
    """Send one request. With `wait_s`, the proxy answers when the server runs or is in error, or
    after that time."""
    if wait_s is not None:
        target += f"?wait=running,error&timeout={wait_s:.3f}"
    code, body = _fetch(bind, method, target, (wait_s or 0) + _ANSWER_TIMEOUT_S)
    content = _json(body)
    if isinstance(content, dict) and "generation" in content:
        return _Reply(content, came_in_time=code != HTTPStatus.GATEWAY_TIMEOUT)
    if code < HTTPStatus.BAD_REQUEST:
        raise NoProxyError(f"the program that answers at {bind} is not http-process-proxy")
    # The proxy's own errors have a detail (RFC 9457).
    detail = content.get("detail") if isinstance(content, dict) else None
    raise NoProxyError(f"{bind} answers {code}" + (f": {detail}" if detail else ""))


def _fetch(bind: Address, method: str, target: str, timeout_s: float) -> tuple[int, bytes]:
    """Send the request over plain HTTP, and over TLS if the proxy redirects it there."""
    reason = ""
    for host in ("127.0.0.1", "::1") if bind.is_everywhere else bind.hosts:
        try:
            connection = http.client.HTTPConnection(host, bind.port, timeout=timeout_s)
            status, body = _fetch_by(connection, method, target)
            if status != HTTPStatus.PERMANENT_REDIRECT:
                return status, body
            return _fetch_by(_tls_connection(host, bind.port, timeout_s), method, target)
        except (OSError, http.client.HTTPException) as error:
            reason = reason or getattr(error, "strerror", None) or str(error)
    raise ConnectionFailedError(f"no answer at {bind}: {reason}")


def _fetch_by(
    connection: http.client.HTTPConnection, method: str, target: str
) -> tuple[int, bytes]:
    with contextlib.closing(connection):
        connection.request(method, target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()


def _tls_connection(host: str, port: int, timeout_s: float) -> http.client.HTTPSConnection:
    # The unverified peer gets no secret.
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=unverified())


def unverified() -> ssl.SSLContext:
    """A TLS context without verification, for a proxy on this machine.

    Its certificate may be signed by a CA that only browsers trust.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _json(body: bytes) -> object:
    try:
        content: object = json.loads(body)
    except ValueError:
        return None
    return content
