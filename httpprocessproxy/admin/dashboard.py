"""The dashboard, a page about the proxy and its server, with its files.

It has an origin of its own (`core/page/places.py`), to which `/_hpp/` on the site's origin
redirects. Its Content-Security-Policy admits only elements with the nonce of the same response,
because the page shows untrusted text. It opens only in a tab of its own, isolated from other pages.
"""

import secrets

from httpprocessproxy.admin.answers import page
from httpprocessproxy.admin.assets import Script, dashboard_css, dashboard_html, dashboard_js
from httpprocessproxy.admin.guard import is_tab
from httpprocessproxy.admin.page_table import PageTable
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.page.places import DashboardPlaces
from httpprocessproxy.system.page_server import Handler, PageRequest, PageResponse, text_response

_ONLY_FOR_A_TAB = "Open the dashboard in a tab of its own."


class Dashboard:
    def __init__(self, token: str, places: DashboardPlaces) -> None:
        self._token = token
        self._places = places

    def add_to(self, pages: PageTable) -> None:
        pages.add_get("/", self.get_page)
        pages.add_get("/_hpp/", self.get_page)
        pages.add_get("/_hpp/dashboard.css", self.get_style)
        pages.add_get("/_hpp/dashboard.js", self.get_script)

    async def get_page(self, request: PageRequest) -> PageResponse:
        if not is_tab(request):
            return page(request, Problem(403, "Only for a tab", _ONLY_FOR_A_TAB))
        nonce = secrets.token_urlsafe(16)
        html = dashboard_html().replace("{nonce}", nonce).replace("{token}", self._token)
        html = html.replace("{site}", self._places.site_url(request.get("Host")))
        response = text_response(html, "html")
        response.fields["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        response.fields["Cross-Origin-Opener-Policy"] = "same-origin"
        response.fields["Referrer-Policy"] = "same-origin"
        return response

    async def get_style(self, request: PageRequest) -> PageResponse:
        return file(request, dashboard_css(), "css")

    async def get_script(self, request: PageRequest) -> PageResponse:
        return file(request, dashboard_js(), "javascript")


def redirect_to(places: DashboardPlaces) -> Handler:
    """Make the handler of `/_hpp/` on the site's origin: a redirect to the dashboard."""

    async def redirect(request: PageRequest) -> PageResponse:
        url = places.url_for(request.get("Host"))
        response = text_response(f"{url}\n")
        response.status = 302
        response.fields["Location"] = url
        return response

    return redirect


def file(request: PageRequest, content: Script, kind: str) -> PageResponse:
    """Answer with a static file of the content type text/`kind`, or 304 if the client has it
    (RFC 9110 section 13.1.2)."""
    fields = {"ETag": content.etag, "Cache-Control": "no-cache"}
    if content.etag in request.get("If-None-Match"):
        return PageResponse(304, fields=fields)
    fields["Content-Type"] = f"text/{kind}; charset=utf-8"
    return PageResponse(200, content.body, fields)
