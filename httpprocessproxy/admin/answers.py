"""Answers of our own pages: problems in the form the client asks for, and what is asked in queries.

A value that makes no sense is answered with 400 and one line that says what would.
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
    """Let the handler answer; what it raises becomes a page."""
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
    """Tell a problem."""
    made = render(problem, request.headers.get("Accept", "").encode("latin-1", "replace"), False)
    return web.Response(
        status=problem.status,
        body=made.body,
        headers={"Content-Type": made.content_type.decode()},
    )


def number(text: str, name: str) -> int:
    """Read a natural number. Raises RequestError."""
    if not _NUMBER.fullmatch(text):
        raise RequestError(400, f"{name} is a number, as in {name}=4")
    return int(text)


def seconds(text: str, name: str, at_most: float) -> float:
    """Read a time in seconds. Raises RequestError."""
    value = float(text) if _SECONDS.fullmatch(text) else math.inf
    if value > at_most:
        raise RequestError(400, f"{name} is in seconds, {at_most:g} at most, as in {name}=30")
    return value


def choices(text: str, name: str, among: Collection[str]) -> frozenset[str]:
    """Read some of a few words. Raises RequestError."""
    chosen = frozenset(text.split(","))
    if not chosen <= frozenset(among):
        raise RequestError(400, f"{name} is one or more of {','.join(among)}")
    return chosen
