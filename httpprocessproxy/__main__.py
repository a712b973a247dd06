"""The program as a module: `python3 -m httpprocessproxy`."""

import sys

from httpprocessproxy.cli import main

if __name__ == "__main__":
    sys.exit(main())
