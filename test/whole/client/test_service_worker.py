"""A site with its own service worker, which handles the requests for its pages."""

from pathlib import Path

from playwright.sync_api import BrowserContext

from test.browser import Visit
from test.whole.client.site import code, served

WORKER = """
addEventListener('activate', event => event.waitUntil(clients.claim()));
addEventListener('fetch', event => event.respondWith(fetch(event.request)));
"""
REGISTERED = "navigator.serviceWorker.register('worker.js')"
CONTROLLED = "navigator.serviceWorker.controller !== null"


def test_save_reloads_a_page_behind_a_service_worker(
    context: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "worker.js").write_text(WORKER)
    with served(tmp_path, "--pattern", "page.py") as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.evaluate(REGISTERED)
        visit.page.wait_for_function(CONTROLLED)
        for title in ("second", "third"):
            proxy.save("page.py", code(title))
            visit.reloaded(title)
            assert visit.page.evaluate(CONTROLLED)
