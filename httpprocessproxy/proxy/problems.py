"""Error responses of the proxy, with texts for the developer."""

import resource
from email.utils import formatdate
from http import HTTPStatus

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.exchange import Loss
from httpprocessproxy.core.http.http1 import connection_option
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.page.pages import CONTENT_SECURITY_POLICY, Page, Problem, render
from httpprocessproxy.core.routes import RouteTable


def refused(error: RequestError) -> Problem:
    """A request that is not passed on."""
    return Problem(error.status, HTTPStatus(error.status).phrase, error.sentence)


def untrusted(client: str) -> Problem:
    """A request of an untrusted client for the admin."""
    return Problem(
        403,
        "For trusted clients only",
        "The pages of this proxy are for clients of this machine, and you come from "
        f"{client}. To trust an address, add: --forwarded-allow-ips ADDRESS (and 127.0.0.1, "
        "which it replaces).",
    )


def no_service(routes: RouteTable) -> Problem:
    """A request outside all routes."""
    listed = "\n".join(f"{route}  {service}" for route, service in routes.ranked)
    return Problem(
        404,
        "No service has this URL",
        f"The routes of this proxy, and their services:\n\n{listed or 'none'}",
        public_detail="This site has no page here.",
    )


def lost(loss: Loss, request: Request, *, sent: bool) -> Problem:
    """A request that lost its connection to the backend and is not sent again."""
    detail = f"The server took this request and did not answer it: {loss.value}."
    if not sent:
        detail = f"The server could not be reached: {loss.value}."
    elif not request.is_safe:
        method = request.method.decode()
        detail += f" This {method} may have taken effect, so it has not been sent again."
    return Problem(502, "The server did not answer", detail)


def bad_response(reason: str) -> Problem:
    return Problem(502, "The server did not answer in HTTP", f"Its response has {reason}.")


def out_of_descriptors() -> Problem:
    """The proxy has no descriptor for a connection to the server."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Problem(
        503,
        "Out of file descriptors",
        f"The proxy may have {limit} files and connections open, and has: raise that, ulimit -n "
        f"{4 * limit}, or find what keeps so many connections.",
        retry_after_s=1,
    )


def no_answer() -> Problem:
    return Problem(504, "The server did not answer in time", "The request has been given up.")


def timed_out() -> Problem:
    return Problem(408, "Request Timeout", "The head of this request took too long to arrive.")


def answer(
    problem: Problem, request: Request | None, fields: bytes, *, is_head: bool, keep_alive: bool
) -> bytes:
    """Return the complete response, with the lines of `fields`; without content for HEAD.

    `request` is None for one that could not be parsed.
    """
    page = page_of(problem, request)
    is_http10 = request is not None and request.is_http10
    option = connection_option(keep_alive=keep_alive, is_http10=is_http10)
    body = b"" if is_head else page.body
    return b"%b%b%b\r\n%b" % (head(problem, page), fields, option, body)


def page_of(problem: Problem, request: Request | None) -> Page:
    """Return the body of the response, in the media type that the client accepts.

    The output and the command of the server are for trusted clients.
    """
    if request is not None and not request.is_trusted:
        problem = problem.for_strangers()
    # An error in the request itself does not end when the server is back: no reload.
    reloads = problem.status >= 500 and not problem.is_final
    is_get = request is not None and request.method == b"GET"
    return render(problem, request.accept if request is not None else b"", reloads and is_get)


def head(problem: Problem, page: Page) -> bytes:
    """Return the response's head without the last CRLF: Connection may be added."""
    lines = [
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {page.content_type.decode()}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        f"Content-Security-Policy: {CONTENT_SECURITY_POLICY.decode()}",
        "X-Content-Type-Options: nosniff",
    ]
    if problem.retry_after_s is not None:
        lines.append(f"Retry-After: {problem.retry_after_s}")
    return "\r\n".join([*lines, ""]).encode()
