"""`python -m httpprocessproxy.companions.share.worker`: the same as `http-process-share`."""

import sys

from httpprocessproxy.companions.share.worker.cli import main

sys.exit(main())
