"""Reads what a client has signed: a JSON Web Token (RFC 7519) with a URL in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.archive.items import Permits, read_item
from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.fetch_client import Refused, check_fields

# A secret signs; there is no key that only checks.
ALGORITHMS: Final = ("HS256", "HS384", "HS512")


class UnsignedError(Exception):
    """A token that says nothing we act on; the text says why."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a token asks for."""

    item: Item
    content_type: str
    headers: Mapping[str, str]


def read_token(token: str, key: str, algorithm: str, permits: Permits) -> Signed:
    """Read a token that was signed with `key`. Raises UnsignedError.

    The first time, this takes a while.
    """
    # With all the cryptography that it brings, it takes 8 MB, and most services sign nothing.
    import jwt

    try:
        claims: Mapping[str, object] = jwt.decode(token, key, algorithms=[algorithm])
    except jwt.PyJWTError as error:
        raise UnsignedError(str(error)) from None
    if "url" not in claims:
        raise UnsignedError("Must be a mapping with `url` key")
    try:
        item = read_item(claims["url"], permits)
        headers = _headers(claims.get("response_headers"))
        content_type = _headers({"Content-Type": claims.get("content-type") or ""})["Content-Type"]
    except (Refused, ValueError) as error:
        raise UnsignedError(str(error)) from None
    return Signed(item, content_type, headers)


def _headers(said: object) -> dict[str, str]:
    """Fields that can be sent. Raises ValueError, and Refused."""
    if said is None:
        return {}
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise ValueError("`response_headers` is not an object of strings.")
    check_fields(said)
    return said
