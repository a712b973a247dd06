"""A server that writes the body of each POST to uploads/a.bin as it arrives: uploads.py PORT."""

import http.server
import pathlib
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    """Responds to a POST with the number of bytes written."""

    def do_GET(self) -> None:
        self._answer(b"here")

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        with pathlib.Path("uploads", "a.bin").open("wb") as file:
            while left:
                chunk = self.rfile.read1(min(left, 65536))
                file.write(chunk)
                file.flush()
                left -= len(chunk)
        self._answer(str(pathlib.Path("uploads", "a.bin").stat().st_size).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    pathlib.Path("uploads").mkdir(exist_ok=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
