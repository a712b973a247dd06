"""A server that answers one request, and exits with status 4: python listens_then_dies.py PORT."""

import sys
from http.server import HTTPServer, SimpleHTTPRequestHandler

HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).handle_request()
sys.exit(4)
