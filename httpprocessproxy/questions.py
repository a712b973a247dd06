"""Questions of a shell to a proxy that runs: `--status`, `--restart` and `--wait`.

They are asked over HTTP, at `/_hpp/`, where BIND says that the proxy listens.
"""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from httpprocessproxy.config import Address

# Exit statuses. 2 is for bad input.
RUNNING, ERROR, UNSETTLED, NOBODY = 0, 1, 3, 4

# How long one answer may take besides what we ask it to wait.
_ANSWER_TIMEOUT_S = 5.0
# An answer waits for RUNNING at most so long: we want to hear of an ERROR, too.
_SLICE_S = 1.0
# Nothing tells us when a proxy begins to listen.
_RETRY_S = 0.05

Status = Mapping[str, object]


class NobodyError(Exception):
    """No proxy answers there, or it will not answer us; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    exit_status: int


def ask(question: str, bind: Address, timeout_s: float, *, as_json: bool = False) -> Answer:
    """Ask the proxy at `bind` for its "status", to "restart" its server, or to "wait" for it.

    The last two wait until the server runs or is in error, for `timeout_s` seconds at most.
    """
    proxy = _Proxy(bind)
    generation = 0
    try:
        status = proxy.status() if question != "wait" else None
        if question == "restart":
            assert status is not None
            generation = _generation(status) + 1
            proxy.restart()
        if question != "status":
            status = _settled(proxy, generation, time.monotonic() + timeout_s)
    except NobodyError as error:
        return Answer(str(error), NOBODY)
    assert status is not None
    text = json.dumps(status) if as_json else _sentence(status)
    return Answer(text, _exit_status(status, generation))


class _Proxy:
    def __init__(self, bind: Address) -> None:
        self._bind = bind

    def status(self, wait_s: float = 0.0) -> Status:
        """Its status, once it is running or `wait_s` seconds have gone. Raises NobodyError."""
        query = f"?wait=running&timeout={wait_s:g}" if wait_s else ""
        body = self._request("GET", f"/_hpp/status{query}", wait_s)
        try:
            status: object = json.loads(body)
        except ValueError:
            status = None
        if not isinstance(status, dict) or "state" not in status:
            raise NobodyError(f"what answers at {self._bind} is no http-process-proxy")
        return status

    def restart(self) -> None:
        """Ask for a restart. Raises NobodyError."""
        self._request("POST", "/_hpp/restart")

    def _request(self, method: str, target: str, wait_s: float = 0.0) -> bytes:
        hosts = ("127.0.0.1", "::1") if self._bind.is_everywhere else self._bind.hosts
        why = ""
        for host in hosts:
            connection = http.client.HTTPConnection(
                host, self._bind.port, timeout=wait_s + _ANSWER_TIMEOUT_S
            )
            try:
                connection.request(method, target, headers={"Accept": "application/json"})
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                why = why or getattr(error, "strerror", None) or str(error)
                continue
            finally:
                connection.close()
            if response.status >= 400:
                raise NobodyError(f"{self._bind} answers {response.status}: {_detail(body)}")
            return body
        raise NobodyError(f"nobody answers at {self._bind}: {why}")


def _settled(proxy: _Proxy, generation: int, deadline: float) -> Status:
    """The status when this generation, or a later one, runs or is in error; or at the deadline."""
    while True:
        left_s = max(0.0, deadline - time.monotonic())
        try:
            status = proxy.status(min(left_s, _SLICE_S))
        except NobodyError:
            if left_s == 0:
                raise
        else:
            if left_s == 0 or _exit_status(status, generation) != UNSETTLED:
                return status
        time.sleep(_RETRY_S)


def _exit_status(status: Status, generation: int) -> int:
    if _generation(status) < generation:
        return UNSETTLED
    return {"running": RUNNING, "error": ERROR}.get(str(status["state"]), UNSETTLED)


def _generation(status: Status) -> int:
    return int(str(status["generation"]))


def _sentence(status: Status) -> str:
    what = f"{status['state']}, generation {status['generation']}"
    if status["state"] == "error":
        return f"{what}: {status['reason']}"
    return what + (f", pid {status['pid']}" if status["pid"] else "")


def _detail(body: bytes) -> str:
    """What a problem of ours says (RFC 9457), or the beginning of what somebody else does."""
    try:
        problem: object = json.loads(body)
    except ValueError:
        problem = None
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return str(detail or body[:200].decode(errors="replace"))
