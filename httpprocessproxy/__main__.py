"""`python3 -m httpprocessproxy` is `http-process-proxy`."""

import sys

from httpprocessproxy.cli import main

if __name__ == "__main__":
    sys.exit(main())
