"""`python -m httpprocessproxy.share.worker`: the same as `http-process-share`."""

import sys

from httpprocessproxy.share.worker.cli import main

sys.exit(main())
