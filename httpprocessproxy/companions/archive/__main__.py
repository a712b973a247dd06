"""`python -m httpprocessproxy.companions.archive` is `http-process-archive`."""

import sys

from httpprocessproxy.companions.archive.cli import main

sys.exit(main())
