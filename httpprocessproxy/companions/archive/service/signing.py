"""URLs signed by clients, as JSON Web Tokens (RFC 7519)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.archive.items import Permits, read_item
from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.fetch_client import Refused, check_fields

# HMAC only: the client's secret both signs and verifies.
ALGORITHMS: Final = ("HS256", "HS384", "HS512")


class InvalidTokenError(Exception):
    """A token with an invalid signature or content; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The item of a token, and fields for the response."""

    item: Item
    content_type: str
    headers: Mapping[str, str]


def read_token(token: str, key: str, algorithm: str, permits: Permits) -> Signed:
    """Verify and parse a token signed with `key`. Raises InvalidTokenError.

    The first call is slow: it imports a package.
    """
    # Imported lazily: with its cryptography it takes 8 MB, and most services have no signed URLs.
    import jwt

    try:
        claims: Mapping[str, object] = jwt.decode(token, key, algorithms=[algorithm])
    except jwt.PyJWTError as error:
        raise InvalidTokenError(str(error)) from None
    if "url" not in claims:
        raise InvalidTokenError("Must be a mapping with `url` key")
    try:
        item = read_item(claims["url"], permits)
        headers = _headers(claims.get("response_headers"))
        content_type = _headers({"Content-Type": claims.get("content-type") or ""})["Content-Type"]
    except (Refused, ValueError) as error:
        raise InvalidTokenError(str(error)) from None
    return Signed(item, content_type, headers)


def _headers(value: object) -> dict[str, str]:
    """Checked header fields for the response. Raises ValueError and Refused."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(value, str) for value in value.values()):
        raise ValueError("`response_headers` is not an object of strings.")
    check_fields(value)
    return value
