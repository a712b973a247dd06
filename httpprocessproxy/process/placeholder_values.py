"""The values of placeholders that all services share: ports and URLs, and the work tree's name."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.system.checkout import Checkout

# A label of a host name has at most 63 characters (RFC 1035 section 2.3.4).
_MAX_LABEL: Final = 63
_NOT_IN_A_LABEL: Final = re.compile(r"[^a-z0-9]+")


class PlaceholderValues:
    """The present values, by placeholder. A service may move to another port at each start."""

    def __init__(self, worktree: str) -> None:
        self._worktree = worktree
        self._addresses: dict[str, Callable[[], Address]] = {}

    def add(self, name: str, address: Callable[[], Address]) -> None:
        """Add a service with a port."""
        self._addresses[name] = address

    def __call__(self) -> Mapping[str, str]:
        found = {"worktree": self._worktree}
        for name, address in self._addresses.items():
            # Not 127.0.0.1: a server at localhost may listen on ::1 only, and clients try both.
            found[f"{name}.port"] = str(address().port)
            found[f"{name}.url"] = address().url.removesuffix("/")
        return found


def worktree_name(folder: Path, checkout: Checkout | None) -> str:
    """The branch of a checkout, or the name of its folder, as a label of a host name."""
    top = checkout.top if checkout is not None else folder
    branch = checkout.branch if checkout is not None else ""
    return _label(branch) or _label(top.name) or "project"


def _label(text: str) -> str:
    return _NOT_IN_A_LABEL.sub("-", text.lower()).strip("-")[:_MAX_LABEL].strip("-")
