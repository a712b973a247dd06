"""`python -m httpprocessproxy.companions.share.relay` is `http-process-relay`."""

import sys

from httpprocessproxy.companions.share.relay.cli import main

sys.exit(main())
