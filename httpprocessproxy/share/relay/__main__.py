"""`python -m httpprocessproxy.share.relay` is `http-process-relay`."""

import sys

from httpprocessproxy.share.relay.cli import main

sys.exit(main())
