"""Questions of a shell to a proxy that runs: `--status`, `--restart` and `--wait`.

They are asked over HTTP, at `/_hpp/`, where BIND says that the proxy listens.
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
RUNNING, ERROR, UNSETTLED, NOBODY = 0, 1, 3, 4

# How long an answer may take besides what we ask it to wait.
_ANSWER_TIMEOUT_S = 5.0
# As long as the proxy lets anybody wait.
_MAX_WAIT_S = 3600.0
# Nothing tells us when a proxy begins to listen.
_RETRY_S = 0.05


class NoProxyError(Exception):
    """No proxy answers there, or it will not answer us; the text is for the user."""


class ConnectionFailedError(NoProxyError):
    """Nothing answers there, but may do so in a moment."""


@dataclass(frozen=True, slots=True)
class AdminResponse:
    text: str
    exit_status: int


def ask(question: str, bind: Address, timeout_s: float, *, as_json: bool = False) -> AdminResponse:
    """Ask the proxy at `bind` for its "status", to "restart" its server, or to "wait" for it.

    The last two wait until the server runs or is in error, for `timeout_s` seconds at most;
    "wait" also waits for the proxy.
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
        return AdminResponse(str(error), NOBODY)
    return AdminResponse(json.dumps(reply.status) if as_json else reply.sentence, reply.exit_status)


@dataclass(frozen=True, slots=True)
class _Reply:
    """The status that a proxy told, and whether that is what we waited for."""

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
    """Ask once; with `wait_s`, the answer comes when the server is settled, or as much later."""
    if wait_s is not None:
        target += f"?wait=running,error&timeout={wait_s:.3f}"
    code, body = _fetch(bind, method, target, (wait_s or 0) + _ANSWER_TIMEOUT_S)
    said = _json(body)
    if isinstance(said, dict) and "generation" in said:
        return _Reply(said, came_in_time=code != HTTPStatus.GATEWAY_TIMEOUT)
    if code < HTTPStatus.BAD_REQUEST:
        raise NoProxyError(f"what answers at {bind} is no http-process-proxy")
    # A problem of ours says more (RFC 9457).
    detail = said.get("detail") if isinstance(said, dict) else None
    raise NoProxyError(f"{bind} answers {code}" + (f": {detail}" if detail else ""))


def _fetch(bind: Address, method: str, target: str, timeout_s: float) -> tuple[int, bytes]:
    """Over plain HTTP, and over TLS if that is where it sends us."""
    why = ""
    for host in ("127.0.0.1", "::1") if bind.is_everywhere else bind.hosts:
        try:
            connection = http.client.HTTPConnection(host, bind.port, timeout=timeout_s)
            status, body = _fetch_by(connection, method, target)
            if status != HTTPStatus.PERMANENT_REDIRECT:
                return status, body
            return _fetch_by(_tls_connection(host, bind.port, timeout_s), method, target)
        except (OSError, http.client.HTTPException) as error:
            why = why or getattr(error, "strerror", None) or str(error)
    raise ConnectionFailedError(f"nobody answers at {bind}: {why}")


def _fetch_by(
    connection: http.client.HTTPConnection, method: str, target: str
) -> tuple[int, bytes]:
    with contextlib.closing(connection):
        connection.request(method, target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()


def _tls_connection(host: str, port: int, timeout_s: float) -> http.client.HTTPSConnection:
    # It is told no secret.
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=unverified())


def unverified() -> ssl.SSLContext:
    """For a proxy of this machine, whose certificate may be one that only browsers trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _json(body: bytes) -> object:
    try:
        said: object = json.loads(body)
    except ValueError:
        return None
    return said
