"""The client of a running proxy's API, for the verbs, and for `--status`, `--restart` and `--wait`.

It sends HTTP requests to `/_hpp/` at the address BIND. Most commands end within milliseconds, so
ssl and other large modules are imported where they are needed.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from httpprocessproxy.admin.http_client import HttpError, HttpResponse, request

if TYPE_CHECKING:
    import ssl

    from httpprocessproxy.config import Address

# Exit statuses. 2 is for bad input.
RUNNING, ERROR, UNSETTLED, NO_ANSWER = 0, 1, 3, 4

# Statuses of HTTP; the enumeration takes 3 ms to import.
_PERMANENT_REDIRECT: Final = 308
_BAD_REQUEST: Final = 400
_GATEWAY_TIMEOUT: Final = 504

# A response may take this long in addition to the time that the request asks it to wait.
_ANSWER_TIMEOUT_S: Final = 5.0
# The limit of the API for `timeout`.
MAX_WAIT_S: Final = 3600.0
# The start of a proxy can only be polled.
_RETRY_S: Final = 0.05


class NoProxyError(Exception):
    """No proxy answers at the address, or it refuses the request; the text is for the user."""


class ConnectionFailedError(NoProxyError):
    """No program answers at the address, but one may soon."""


@dataclass(frozen=True, slots=True)
class AdminResponse:
    text: str
    exit_status: int


class AdminClient:
    """A client of the proxy at one address."""

    def __init__(self, name: str, addresses: Sequence[tuple[str, int]], run: str = "") -> None:
        """`name` is the address for messages. With `run`, no other run of a proxy answers."""
        self.name = name
        self._addresses = addresses
        self._fields = {"Accept": "application/json", **({"Hpp-Run": run} if run else {})}

    @classmethod
    def at(cls, bind: "Address", run: str = "") -> "AdminClient":
        """The client of the proxy at BIND."""
        return cls(str(bind), [(host, bind.port) for host in bind.reached_hosts], run)

    def call(self, line: str, wait_s: float = 0) -> tuple[int, Mapping[str, object]]:
        """Send a request, as `GET /_hpp/status`; return the status and the object of JSON.

        The proxy answers within `wait_s`. Raises NoProxyError.
        """
        try:
            with self.open(line, wait_s + _ANSWER_TIMEOUT_S) as response:
                status, content = response.status, _json(response.read())
        except (OSError, HttpError) as error:
            raise ConnectionFailedError(f"no answer at {self.name}: {error}") from error
        if isinstance(content, dict) and "detail" not in content:
            if status < _BAD_REQUEST or status == _GATEWAY_TIMEOUT:
                return status, content
        elif status < _BAD_REQUEST:
            raise self.other_program()
        # The proxy's own errors have a detail (RFC 9457).
        detail = content.get("detail") if isinstance(content, dict) else None
        raise NoProxyError(f"{self.name} answers {status}" + (f": {detail}" if detail else ""))

    @contextlib.contextmanager
    def open(self, line: str, timeout_s: float | None) -> Iterator[HttpResponse]:
        """Send a request over plain HTTP, and over TLS if the proxy redirects it there.

        Raises NoProxyError; the response itself raises HttpError and OSError.
        """
        reason = ""
        for address in self._addresses:
            with contextlib.ExitStack() as stack:
                try:
                    response = self._send(stack, address, line, timeout_s, None)
                    if response.status == _PERMANENT_REDIRECT:
                        response = self._send(stack, address, line, timeout_s, unverified())
                except (OSError, HttpError) as error:
                    reason = reason or getattr(error, "strerror", None) or str(error)
                    continue
                yield response
                return
        raise ConnectionFailedError(f"no answer at {self.name}: {reason}")

    def other_program(self) -> NoProxyError:
        """The error for an answer that is not a proxy's."""
        return NoProxyError(f"the program that answers at {self.name} is not http-process-proxy")

    def _send(
        self,
        stack: contextlib.ExitStack,
        address: tuple[str, int],
        line: str,
        timeout_s: float | None,
        tls: "ssl.SSLContext | None",
    ) -> HttpResponse:
        """Raises HttpError and OSError."""
        return stack.enter_context(request(address, line, self._fields, timeout_s, tls))


def ask(
    question: str, bind: "Address", timeout_s: float, *, as_json: bool = False
) -> AdminResponse:
    """Send the proxy at `bind` a request: "status", "restart" or "wait".

    The last two wait until the server runs or is in error, for `timeout_s` seconds at most;
    "wait" also waits until the proxy listens.
    """
    timeout_s = min(timeout_s, MAX_WAIT_S)
    client = AdminClient.at(bind)
    try:
        match question:
            case "status":
                reply = _status(client, "GET /_hpp/status")
            case "restart":
                reply = _status(client, "POST /_hpp/restart", timeout_s)
            case _:
                reply = _wait(client, time.monotonic() + timeout_s)
    except NoProxyError as error:
        return AdminResponse(str(error), NO_ANSWER)
    return AdminResponse(json.dumps(reply.status) if as_json else reply.sentence, reply.exit_status)


def settled(wait_s: float, states: str = "running,error") -> str:
    """The query of a request that waits until a service is in one of the states."""
    return f"?wait={states}&timeout={wait_s:.3f}"


@dataclass(frozen=True, slots=True)
class _Reply:
    """The status in a response of a proxy; `came_in_time`: the awaited state was reached."""

    status: Mapping[str, object]
    came_in_time: bool

    @property
    def exit_status(self) -> int:
        if failed_build(self.status):
            return ERROR
        settled = {"running": RUNNING, "error": ERROR} if self.came_in_time else {}
        return settled.get(str(self.status["state"]), UNSETTLED)

    @property
    def sentence(self) -> str:
        return sentence(self.status)


def sentence(status: Mapping[str, object]) -> str:
    """The state of a service in one line."""
    text = f"{status['state']}, generation {status['generation']}"
    if status["state"] == "error":
        return f"{text}: {status['reason']}"
    if status["pid"]:
        text += f", pid {status['pid']}"
    return "; ".join(filter(None, (text, failed_build(status))))


def failed_build(status: Mapping[str, object]) -> str:
    """The failure of the last build (`--before`), or ""."""
    match status.get("build"):
        case {"state": "failed", "command": command, "reason": reason}:
            return f"before failed: {command} {reason}"
    return ""


def _wait(client: AdminClient, deadline: float) -> _Reply:
    while True:
        left_s = max(0.0, deadline - time.monotonic())
        try:
            return _status(client, "GET /_hpp/status", left_s)
        except ConnectionFailedError:
            if not left_s:
                raise
        time.sleep(_RETRY_S)


def _status(client: AdminClient, line: str, wait_s: float | None = None) -> _Reply:
    """Send one request. With `wait_s`, the proxy answers when the server runs or is in error, or
    after that time. Raises NoProxyError."""
    query = "" if wait_s is None else settled(wait_s)
    status, content = client.call(line + query, wait_s or 0)
    if "generation" not in content:
        raise client.other_program()
    return _Reply(content, came_in_time=status != _GATEWAY_TIMEOUT)


def unverified() -> "ssl.SSLContext":
    """A TLS context without verification, for a proxy on this machine.

    Its certificate may be signed by a CA that only browsers trust, and the peer gets no secret.
    """
    import ssl

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
