"""What our own pages show of the program, and what they can set in motion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from httpprocessproxy.feed import Feed
from httpprocessproxy.replays import Replays


@dataclass(frozen=True, slots=True)
class Workings:
    """`status` tells the server's state, `restart` starts it anew, for whom it is told."""

    status: Callable[[], Mapping[str, object]]
    restart: Callable[[str], None]
    feed: Feed
    replays: Replays
