"""`python -m httpprocessproxy.archive` is `http-process-archive`."""

import sys

from httpprocessproxy.archive.cli import main

sys.exit(main())
