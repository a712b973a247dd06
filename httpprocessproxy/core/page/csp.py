"""Content-Security-Policy of pages with the injected script (CSP Level 3).

All policies of a response apply at once, so each is extended as little as possible: a script of the
page's own origin may run, and connect to that origin. All other restrictions stay in force, and
the text of a policy changes only in the extended directives. No I/O.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# The first of these directives in a policy applies.
_SCRIPT: Final = (b"script-src-elem", b"script-src", b"default-src")
_CONNECT: Final = (b"connect-src", b"default-src")

_SELF: Final = b"'self'"
_NONCE: Final = re.compile(rb"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)

# A <meta> with a policy, outside of comments and scripts, which are skipped. All repetitions are
# bounded, so that the search takes linear time.
_META: Final = re.compile(
    rb"""<!--.*?(?:-->|\Z) | <(script|style|title|template)\b.*?(?:</\1|\Z)
    | (?P<policy><meta\b[^>]{0,500}?\bhttp-equiv\s{0,9}=\s{0,9}["']?content-security-policy["'\s/>])
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Permission:
    """The extended values of the fields, and the nonce for the tag, which may be b""."""

    values: list[bytes]
    nonce: bytes


def permit(values: Sequence[bytes], nonce: bytes) -> Permission | None:
    """Extend the policies of a response so that a script of the page's own origin may run.

    `values` are those of its Content-Security-Policy fields; `nonce` is for a policy that requires
    a nonce and has none of its own. Returns None if a policy forbids all scripts.
    """
    fields = [[_Policy(text) for text in value.split(b",")] for value in values]
    policies = [policy for field in fields for policy in field]
    if any(policy.forbids_scripts for policy in policies):
        return None
    own = next(filter(None, (policy.nonce for policy in policies)), b"")
    chosen = own or (nonce if any(policy.is_strict for policy in policies) else b"")
    for policy in policies:
        policy.permit_script(chosen)
        policy.permit_connection()
    return Permission([b",".join(policy.text for policy in field) for field in fields], chosen)


def has_meta_policy(content: bytes) -> bool:
    """Whether this part of a page has a policy in a <meta> element."""
    if b"content-security-policy" not in content.lower():  # the common case, decided quickly
        return False
    return any(match["policy"] for match in _META.finditer(content))


class _Policy:
    """One policy and its directives; the first of two with one name applies (section 2.2.1)."""

    def __init__(self, text: bytes) -> None:
        self._parts = text.split(b";")
        self._places: dict[bytes, int] = {}
        for place, part in enumerate(self._parts):
            words = part.split(maxsplit=1)
            if words:
                self._places.setdefault(words[0].lower(), place)

    @property
    def text(self) -> bytes:
        return b";".join(self._parts)

    @property
    def forbids_scripts(self) -> bool:
        return b"sandbox" in self._places and b"allow-scripts" not in self._words(b"sandbox")

    @property
    def nonce(self) -> bytes:
        matches = map(_NONCE.fullmatch, self._effective_sources(_SCRIPT) or ())
        return next((match[1] for match in matches if match), b"")

    @property
    def is_strict(self) -> bool:
        """Whether only nonces and hashes allow a script, and origins are ignored (section 8.2)."""
        return _has(self._effective_sources(_SCRIPT), b"'strict-dynamic'")

    def permit_script(self, nonce: bytes) -> None:
        sources = self._effective_sources(_SCRIPT)
        by_nonce = b"'nonce-%b'" % nonce
        if sources is None or (nonce and any(_is_nonce(source, nonce) for source in sources)):
            return
        if self.is_strict:
            self._extend(_SCRIPT, sources, by_nonce)
        elif not _has(sources, _SELF, b"*"):
            self._extend(_SCRIPT, sources, _SELF)

    def permit_connection(self) -> None:
        sources = self._effective_sources(_CONNECT)
        if sources is not None and not _has(sources, _SELF, b"*"):
            # The sources may be those of default-src; nonces, hashes and keywords apply to scripts.
            origins = [source for source in sources if not source.startswith(b"'")]
            self._extend(_CONNECT, origins, _SELF)

    def _words(self, name: bytes) -> list[bytes]:
        return self._parts[self._places[name]].split()[1:]

    def _effective_sources(self, names: Sequence[bytes]) -> list[bytes] | None:
        """Return the sources of the first of these directives that the policy has."""
        return next((self._words(name) for name in names if name in self._places), None)

    def _extend(self, names: Sequence[bytes], sources: list[bytes], source: bytes) -> None:
        """Add a source to the directive that applies; default-src is copied under a new name."""
        name = next(name for name in names if name in self._places)
        if name == b"default-src":
            name = names[-2]
            while not self._parts[-1].strip():  # the policy ends with a semicolon
                self._parts.pop()
            self._places[name] = len(self._parts)
            self._parts.append(b" ")
        place = self._places[name]
        part = self._parts[place]
        space = part[: len(part) - len(part.lstrip())]
        kept = [source for source in sources if source.lower() != b"'none'"]
        self._parts[place] = space + b" ".join([name, *kept, source])


def _has(sources: list[bytes] | None, *wanted: bytes) -> bool:
    return any(source.lower() in wanted for source in sources or ())


def _is_nonce(source: bytes, nonce: bytes) -> bool:
    match = _NONCE.fullmatch(source)
    return match is not None and match[1] == nonce
