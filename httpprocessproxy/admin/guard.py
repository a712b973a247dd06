"""Access control of the admin pages, after the data plane has accepted the client and the host.

The rule: other sites can neither embed nor read nor change anything; no CORS fields are sent. Nor
can the pages of the backend: requests that would show their scripts cookies, or would change
something, need the token of the dashboard, which has an origin of its own. No worker, opener,
frame or fetch of the backend's pages reaches that origin (Fetch Metadata,
Cross-Origin-Opener-Policy, frame-ancestors). On the site's origin no token is valid. Programs that
are not browsers, and so send neither Origin nor Referer nor Sec-Fetch-*, need none.
"""

import secrets

from aiohttp import web

from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.page.pages import Problem

TOKEN_FIELD = "X-HPP-Token"

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
# A browser sends one of these with every request whose response a page can read, and every POST.
_OF_BROWSERS = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")


class AdminGuard:
    """Checks requests; `token` is that of this run, or None on the site's origin, where a browser
    can only prove that it shows a page of the backend."""

    def __init__(self, hosts: HostRule, token: str | None) -> None:
        self.token = token
        self._hosts = hosts

    def refusal(self, request: web.Request) -> Problem | None:
        """The problem to answer with in place of the page; None if the request is allowed."""
        if _embeds_from_elsewhere(request):
            return Problem(403, "Another site asks", "Only pages of this server may embed this.")
        if self.token is not None and _is_fetched_from_elsewhere(request):
            return Problem(403, "Another site asks", "Only the dashboard itself may fetch this.")
        if request.method in _SAFE_METHODS:
            return None
        origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
        if not self._hosts.allows_origin(origin, host):
            detail = "Only pages of this server may change anything."
            return Problem(403, "Another site asks", detail)
        return self.refusal_without_token(request)

    def refusal_without_token(self, request: web.Request) -> Problem | None:
        """The problem for a browser without the token; None for programs that are not browsers."""
        if not any(name in request.headers for name in _OF_BROWSERS):
            return None
        if self.token is None:
            return Problem(403, "A page asks", "For browsers, this is on the dashboard: /_hpp/")
        token = request.headers.get(TOKEN_FIELD, "").encode("latin-1", "replace")
        if secrets.compare_digest(token, self.token.encode()):
            return None
        detail = f"A browser needs the token of the dashboard for this, in {TOKEN_FIELD}."
        return Problem(403, "A page without the token asks", detail)


def is_tab(request: web.Request) -> bool:
    """Whether a tab sends the request, and not a script or a frame; true without Fetch Metadata."""
    return request.headers.get("Sec-Fetch-Dest", "document") == "document"


def _is_fetched_from_elsewhere(request: web.Request) -> bool:
    """Whether a page of another origin sends the request, except by a link that opens a tab."""
    is_link = request.headers.get("Sec-Fetch-Mode") == "navigate" and is_tab(request)
    is_own = request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
    return not is_own and not is_link


def _embeds_from_elsewhere(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site", "none")
    return request.headers.get("Sec-Fetch-Mode") == "no-cors" and site in (
        "cross-site",
        "same-site",
    )
