"""The access policy: visits need the password and an allowed path, and never reach a debugger.

The rule: the allow-list is matched with the decoded path, as a server may read it. A path that
servers could read in two ways matches no rule. No I/O.
"""

import base64
import hmac
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_plus

from wcmatch import glob

from httpprocessproxy.companions.share.protocol import VisitHead, first
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.page.pages import Problem

_GLOB: Final = glob.GLOBSTAR | glob.DOTGLOB | glob.BRACE | glob.FORCEUNIX | glob.CASE

_METHOD: Final = re.compile(r"\*|[A-Z][A-Z0-9_-]{0,31}")

# RFC 7617 section 2.
_REALM: Final = 'Basic realm="shared", charset="UTF-8"'

_OWN_PREFIX: Final = "/_hpp"

# Werkzeug's debugger executes what is sent to it.
_DEBUGGER: Final = "__debugger__"
_CONSOLE: Final = "/console"

# U+FFFD stands for bytes that are not UTF-8.
_AMBIGUOUS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\%\N{REPLACEMENT CHARACTER}]")
_DOTS: Final = frozenset((".", ".."))

_NOT_SHARED: Final = Problem(403, "Not shared", "This part of the server is not shared.")
_UNAUTHORIZED: Final = Problem(
    401, "A password is needed", "Ask the person who gave you this address for it."
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user and password that visitors need."""

    user: str
    password: str

    @classmethod
    def parse(cls, text: str) -> "Credentials":
        """Read `USER:PASS`. Raises UserError."""
        user, colon, password = text.partition(":")
        if not colon or not user or not password:
            raise UserError("not a user and a password: write USER:PASS")
        return cls(user, password)

    def fit(self, authorization: str) -> bool:
        """Whether an Authorization value has these credentials; compared in constant time."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except ValueError:
            given = b""
        expected = f"{self.user}:{self.password}".encode()
        return hmac.compare_digest(given, expected) and scheme.lower() == "basic"


@dataclass(frozen=True, slots=True)
class Allowed:
    """A rule of the allow-list: a method, or `*`, and a glob of paths."""

    method: str
    pattern: str

    @classmethod
    def parse(cls, text: str) -> "Allowed":
        """Read `METHOD GLOB`. Raises UserError."""
        method, _, pattern = text.strip().partition(" ")
        pattern = pattern.strip()
        if not _METHOD.fullmatch(method.upper()) or not pattern.startswith("/"):
            raise UserError(f"not a rule: {text[:100]!r} (for example 'GET /public/**')")
        return cls(method.upper(), pattern)

    def allows(self, method: str, path: str) -> bool:
        # RFC 9110 section 9.3.2: HEAD is identical to GET, but without content.
        methods = {method, "*", *(["GET"] if method == "HEAD" else [])}
        return self.method in methods and glob.globmatch(path, self.pattern, flags=_GLOB)

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal of a visit: the error page, and header fields of the response."""

    problem: Problem
    fields: Mapping[str, str]


class Policy:
    """All access rules of a share."""

    def __init__(
        self,
        credentials: Credentials | None,
        allowed: Sequence[Allowed],
        *,
        hides_own_pages: bool,
    ) -> None:
        self._credentials = credentials
        self._allowed = tuple(allowed)
        self._hides_own_pages = hides_own_pages

    def refusal(self, visit: VisitHead) -> Refusal | None:
        """The refusal of a visit; None if it is allowed."""
        if self._credentials is not None:
            given = first(visit.fields, "authorization") or ""
            if not self._credentials.fit(given):
                return Refusal(_UNAUTHORIZED, {"WWW-Authenticate": _REALM})
        path, _, query = visit.url.partition("?")
        if self._is_closed(visit.method, unquote(path)) or _DEBUGGER in unquote_plus(query):
            return Refusal(_NOT_SHARED, {})
        return None

    @property
    def uses_authorization(self) -> bool:
        """Whether the Authorization field is for the share, and not for the server."""
        return self._credentials is not None

    def _is_closed(self, method: str, path: str) -> bool:
        if self._hides_own_pages and _is_below(path, _OWN_PREFIX):
            return True
        if not self._allowed:
            return False
        # Some servers match the path without its parameters (RFC 3986 section 3.3).
        readings = {path, _without_parameters(path)}
        return _is_ambiguous(path) or not all(self._allows(method, one) for one in readings)

    def _allows(self, method: str, path: str) -> bool:
        return any(rule.allows(method, path) for rule in self._allowed)


def is_console(visit: VisitHead, server: str) -> bool:
    """Whether a visit to a server with this Server field reaches Werkzeug's console."""
    if not server.lower().startswith("werkzeug/"):
        return False
    return _normal(unquote(visit.url.partition("?")[0])) == _CONSOLE


def not_shared() -> Refusal:
    """The refusal of a path that is not shared."""
    return Refusal(_NOT_SHARED, {})


def _is_below(path: str, prefix: str) -> bool:
    """Whether a server could read a decoded path as `prefix`, or as one below it."""
    path = _normal(path)
    return path == prefix or path.startswith(f"{prefix}/")


def _normal(path: str) -> str:
    """Normalise a decoded path as the most lenient server does."""
    plain = _without_parameters(path.replace("\\", "/"))
    return posixpath.normpath("/" + plain.lstrip("/"))


def _is_ambiguous(path: str) -> bool:
    """Whether servers could read a decoded path as another path.

    The causes: backslashes; a second decoding, also of bytes that are not UTF-8, such as an
    overlong "/"; control characters, at which servers in C end a path, or which URL parsers drop;
    empty segments; and dot segments, which Tomcat, Jetty and Spring recognise even with parameters
    (RFC 3986 section 3.3).
    """
    if _AMBIGUOUS.search(path) or "//" in path:
        return True
    return any(segment.strip(" ") in _DOTS for segment in _without_parameters(path).split("/"))


def _without_parameters(path: str) -> str:
    return re.sub(r";[^/]*", "", path)
