"""Who asks: a client, by the secret that it sends."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from httpprocessproxy.companions.archive.service.answers import ProblemError
from httpprocessproxy.companions.archive.service.surroundings import NOBODY, ServiceContext

_FIELDS: Final = ("X-Fpx-Authorize", "Authorization", "Authorize")
_BEARER: Final = "bearer "


async def client_of(request: web.Request, around: ServiceContext) -> str:
    """The client that asks. Raises ProblemError if it is none."""
    secret = secret_of(request.headers)
    name = await around.clients.by_secret(secret) if secret else None
    if name is not None:
        return name
    if around.is_owner(request):
        return NOBODY
    raise ProblemError(401, {"access": "Only clients authorized to use this endpoint"})


def secret_of(headers: Mapping[str, str]) -> str:
    """The secret of a request, as it is or as a bearer token (RFC 6750); empty for none."""
    value = next((headers[name] for name in _FIELDS if headers.get(name)), "").strip()
    return value[len(_BEARER) :].strip() if value.lower().startswith(_BEARER) else value
