"""The argument parser of all programs of the package: each error is one line."""

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

from httpprocessproxy.core.errors import UserError


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UserError, and suggests a name for an unknown option."""

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        near = nearest(unknown[1], self._option_string_actions) if unknown else ""
        raise UserError(f"{message}{near} (see --help)")


def nearest(unknown: str, known: Iterable[str]) -> str:
    """A suffix for an error message that suggests the nearest name; "" if none is near.

    A name that begins with `unknown` wins over a similar one.
    """
    names = list(known)
    longer = [name for name in names if name.startswith(unknown) and name.strip("-")]
    found = longer[:1] or difflib.get_close_matches(unknown, names, 1)
    return f": did you mean {found[0]}?" if found else ""
