"""The dashboard, a page about the proxy and its server, with its files.

It has an origin of its own (`core/page/places.py`), to which `/_hpp/` on the site's origin
redirects. Its Content-Security-Policy admits only elements with the nonce of the same response,
because the page shows untrusted text. It opens only in a tab of its own, isolated from other pages.
"""

import secrets

from aiohttp import web

from httpprocessproxy.admin.answers import Handler, page
from httpprocessproxy.admin.assets import Script, dashboard_css, dashboard_html, dashboard_js
from httpprocessproxy.admin.guard import is_tab
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.page.places import DashboardPlaces

_ONLY_FOR_A_TAB = "Open the dashboard in a tab of its own."


class Dashboard:
    def __init__(self, token: str, places: DashboardPlaces) -> None:
        self._token = token
        self._places = places

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self.get_page)
        router.add_get("/_hpp/", self.get_page)
        router.add_get("/_hpp/dashboard.css", self.get_style)
        router.add_get("/_hpp/dashboard.js", self.get_script)

    async def get_page(self, request: web.Request) -> web.Response:
        if not is_tab(request):
            return page(request, Problem(403, "Only for a tab", _ONLY_FOR_A_TAB))
        nonce = secrets.token_urlsafe(16)
        html = dashboard_html().replace("{nonce}", nonce).replace("{token}", self._token)
        html = html.replace("{site}", self._places.site_url(request.headers.get("Host", "")))
        response = web.Response(text=html, content_type="text/html")
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    async def get_style(self, request: web.Request) -> web.Response:
        return file(request, dashboard_css(), "text/css")

    async def get_script(self, request: web.Request) -> web.Response:
        return file(request, dashboard_js(), "text/javascript")


def redirect_to(places: DashboardPlaces) -> Handler:
    """Make the handler of `/_hpp/` on the site's origin: a redirect to the dashboard."""

    async def redirect(request: web.Request) -> web.Response:
        url = places.url_for(request.headers.get("Host", ""))
        return web.Response(status=302, headers={"Location": url}, text=f"{url}\n")

    return redirect


def file(request: web.Request, content: Script, content_type: str) -> web.Response:
    """Answer with a static file, or 304 if the client has it (RFC 9110 section 13.1.2)."""
    response = web.Response(headers={"ETag": content.etag, "Cache-Control": "no-cache"})
    if content.etag in request.headers.get("If-None-Match", ""):
        response.set_status(304)
    else:
        response.body = content.body
        response.content_type, response.charset = content_type, "utf-8"
    return response
