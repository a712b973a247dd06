"""Errors and header fields common to all responses: JSON errors, CORS, no caching, no Referer.

The rule: a ticket's id is a secret, so its responses are not cached, and browsers do not send its
URL to other sites.
"""

import logging
import re
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from typing import Final, Never
from urllib.parse import quote

from aiohttp import hdrs, web
from sqlalchemy.exc import SQLAlchemyError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Prepare = Callable[[web.Request, web.StreamResponse], Awaitable[None]]

_ALWAYS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Server": "http-process-archive",
    "X-Content-Type-Options": "nosniff",
}

_PREFLIGHT_MAX_AGE_S: Final = 600

# RFC 8187 section 3.2.1: attr-char without letters, digits and "_.-~", which `quote` never quotes.
_ATTR_CHARS: Final = "!#$&+^`|"
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u2028-\u202e]")

_log = logging.getLogger(__name__)


class ProblemError(Exception):
    """An error response: `errors` is its JSON, the reason for the client."""

    def __init__(
        self,
        status: int,
        errors: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {errors}")
        self.status = status
        self.errors = errors
        self.headers = headers or {}


def not_found() -> Never:
    """Raise the 404 for an id that never existed, was used or has expired."""
    raise ProblemError(404, {"id": "Ticket not found"})


@web.middleware
async def error_responses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into responses: ProblemError to `{"errors": ...}`, routing to a message."""
    try:
        return await handler(request)
    except ProblemError as problem:
        return web.json_response(
            {"errors": problem.errors}, status=problem.status, headers=problem.headers
        )
    except SQLAlchemyError as error:
        _log.warning("the database does not answer: %s", type(error).__name__)
        return web.json_response({"errors": {"database": "Try again later"}}, status=503)
    except web.HTTPException as error:
        return _routing_error(request, error)


def cross_origin(origins: Collection[str]) -> Handler:
    """A handler for CORS preflight requests (Fetch standard)."""

    async def preflight(request: web.Request) -> web.StreamResponse:
        if not origins or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_GET, hdrs.METH_POST])
        return web.Response(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type, X-Fpx-Authorize",
                hdrs.ACCESS_CONTROL_MAX_AGE: str(_PREFLIGHT_MAX_AGE_S),
            },
        )

    return preflight


def common_fields(origins: Collection[str]) -> Prepare:
    """An `on_response_prepare` signal that adds the fields common to all responses."""

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(_ALWAYS)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or not origins:
            return
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if "*" in origins or origin in origins:
            allowed = "*" if "*" in origins else origin
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = allowed

    return add


def cut(request: web.Request) -> None:
    """Abort the connection, so that the client detects a truncated response."""
    if request.transport is not None:
        request.transport.abort()


def _routing_error(request: web.Request, error: web.HTTPException) -> web.Response:
    reason = HTTPStatus(error.status).phrase
    messages = {
        404: f"Requested URL {request.path} not found",
        405: f"Method {request.method} not allowed for URL {request.path}",
    }
    body = {
        "description": reason,
        "status": error.status,
        "message": messages.get(error.status, error.text or reason),
    }
    headers = {name: value for name, value in error.headers.items() if name == hdrs.ALLOW}
    return web.json_response(body, status=error.status, headers=headers)


def attachment(filename: str, fallback: str) -> str:
    """A Content-Disposition for the last segment of `filename`, or `fallback` if that is empty.

    RFC 6266, RFC 8187.
    """
    name = _INVISIBLE.sub("", re.split(r"[/\\]", filename)[-1]).strip(" .") or fallback
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    # Some browsers percent-decode the plain form, so names with "%" need the extended form.
    escaped = re.sub(r'["\\%]', "_", plain) or fallback
    field = f'attachment; filename="{escaped}"'
    return field if escaped == name else f"{field}; filename*=UTF-8''{quote(name, _ATTR_CHARS)}"
