"""Responses to errors in the format that Accept prefers, and parsers of query parameters.

An invalid parameter gets 400 and one line that names the valid values.
"""

import math
import re
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus

from aiohttp import web

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.page.pages import Problem, render

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_NUMBER = re.compile(r"[0-9]{1,15}")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Call the handler; an exception that it raises becomes an error response."""
    try:
        return await handler(request)
    except RequestError as error:
        return page(request, Problem(error.status, HTTPStatus(error.status).phrase, error.sentence))
    except web.HTTPException as error:
        response = page(request, Problem(error.status, HTTPStatus(error.status).phrase, ""))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


def page(request: web.Request, problem: Problem) -> web.Response:
    """Make a response of a problem."""
    made = render(problem, request.headers.get("Accept", "").encode("latin-1", "replace"), False)
    return web.Response(
        status=problem.status,
        body=made.body,
        headers={"Content-Type": made.content_type.decode()},
    )


def number(text: str, name: str) -> int:
    """Parse a natural number. Raises RequestError."""
    if not _NUMBER.fullmatch(text):
        raise RequestError(400, f"{name} is a number, as in {name}=4")
    return int(text)


def seconds(text: str, name: str, at_most: float) -> float:
    """Parse a time in seconds. Raises RequestError."""
    value = float(text) if _SECONDS.fullmatch(text) else math.inf
    if value > at_most:
        raise RequestError(400, f"{name} is in seconds, {at_most:g} at most, as in {name}=30")
    return value


def choices(text: str, name: str, among: Collection[str]) -> frozenset[str]:
    """Parse a list of the words `among`, separated by commas. Raises RequestError."""
    chosen = frozenset(text.split(","))
    if not chosen <= frozenset(among):
        raise RequestError(400, f"{name} is one or more of {','.join(among)}")
    return chosen
