"""Placeholders in the texts of a service's configuration. No I/O.

    {port}       the port of the service itself
    {NAME.port}  the port of another service
    {NAME.url}   its URL, without a slash at the end
    {worktree}   the branch of the git work tree, or the name of its folder

Braces have other meanings in commands, so any other text in them is left as it is.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

OWN_PORT: Final = "port"
OF_SERVICES: Final = ("port", "url")

_PLACEHOLDER: Final = re.compile(r"\{((?:[a-z0-9_-]+\.)?[a-z]+)\}")


def replaced(text: str, values: Mapping[str, str]) -> str:
    """The text with the placeholders that have a value, such as `port` or `db.url`, replaced."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def mentioned(texts: Iterable[str]) -> list[str]:
    """The names in braces that may be placeholders, such as `port` or `db.url`, in order."""
    return [match[1] for text in texts for match in _PLACEHOLDER.finditer(text)]
