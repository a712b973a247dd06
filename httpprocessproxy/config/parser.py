"""Command lines of all our programs: what is wrong with one is said in one line."""

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

from httpprocessproxy.core.errors import UserError


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UserError, and knows what an unknown option may have meant."""

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        near = nearest(unknown[1], self._option_string_actions) if unknown else ""
        raise UserError(f"{message}{near} (see --help)")


def nearest(unknown: str, known: Iterable[str]) -> str:
    """A hint to what was meant, to be added to a message; "" if nothing is near.

    What is begun in the same way comes before what is like it.
    """
    names = list(known)
    begun = [name for name in names if name.startswith(unknown) and name.strip("-")]
    found = begun[:1] or difflib.get_close_matches(unknown, names, 1)
    return f": did you mean {found[0]}?" if found else ""
