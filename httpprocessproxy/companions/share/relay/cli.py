"""The entry point of the relay: argv in, exit status out, errors in one line."""

import logging
import sys
from collections.abc import Sequence

from httpprocessproxy.companions.share.relay.command_line import PROGRAM, read_settings
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.event_loop import run_on_new_loop

USAGE_EXIT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the relay, and return its exit status."""
    try:
        settings = read_settings(sys.argv[1:] if argv is None else argv)
        _run(settings)
    except UserError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return USAGE_EXIT
    return 0


def _run(settings: RelaySettings) -> None:
    from httpprocessproxy.companions.share.relay.application import run

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    # aiohttp would log the queries of visitors; `access_log.py` logs visits instead.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    run_on_new_loop(run(settings))
