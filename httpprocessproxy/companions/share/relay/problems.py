"""Error pages for visits without an answer, and the status of each outcome."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from httpprocessproxy.companions.share.relay.visit import VisitError, VisitOutcome
from httpprocessproxy.core.page.pages import CONTENT_SECURITY_POLICY, Problem, render

# The value of Retry-After.
RETRY_AFTER_S: Final = 5

SERVER: Final = "http-process-relay"

_NO_WORKER = "The server behind this address is not connected. Try again in a moment."
_QUEUE_FULL = "Too many visitors are waiting for this server. Try again in a moment."
_NO_ANSWER = (
    "The server behind this address did not answer in time. It may have processed the request."
)
_BAD_ANSWER = "The server behind this address sent no valid answer."

_PROBLEMS: Final[Mapping[VisitOutcome, Problem]] = {
    VisitOutcome.NO_WORKER: Problem(503, "Not connected", _NO_WORKER, retry_after_s=RETRY_AFTER_S),
    VisitOutcome.QUEUE_FULL: Problem(
        503, "Too many visitors", _QUEUE_FULL, retry_after_s=RETRY_AFTER_S
    ),
    VisitOutcome.CLOSING: Problem(
        503, "Relay restarting", "The relay restarts.", retry_after_s=RETRY_AFTER_S
    ),
    VisitOutcome.NO_ANSWER: Problem(504, "No answer", _NO_ANSWER),
    VisitOutcome.BAD_ANSWER: Problem(502, "No valid answer", _BAD_ANSWER),
    VisitOutcome.TOO_LARGE: Problem(
        413, "Too large", "The body of your request is larger than this relay accepts."
    ),
}

_FIELDS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY.decode(),
    "Server": SERVER,
    "X-Content-Type-Options": "nosniff",
}


class VisitRefusedError(VisitError):
    """A visit that is refused before it is queued, with its own error page."""

    def __init__(self, problem: Problem, outcome: VisitOutcome = VisitOutcome.REFUSED) -> None:
        super().__init__(outcome, problem.detail)
        self.problem = problem


def page_for(request: web.BaseRequest, error: VisitError) -> web.Response:
    """The error page of a visit."""
    if isinstance(error, VisitRefusedError):
        return page(request, error.problem)
    return page(request, _PROBLEMS[error.outcome])


def page(request: web.BaseRequest, problem: Problem) -> web.Response:
    """Render a problem in the media type that the visitor accepts."""
    made = render(problem, request.headers.get("Accept", "").encode("latin-1", "replace"), False)
    response = web.Response(status=problem.status, body=made.body, headers=_FIELDS)
    response.headers["Content-Type"] = made.content_type.decode()
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    return response
