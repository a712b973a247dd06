"""Validates the JSON of a ticket: a checked Order, or messages for all wrong fields. No I/O.

The rule: a stored item can be fetched without further checks of its form. The guard checks the
URL here, so that the client gets an immediate error, and again for each connection.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.fetch_client.fields import check_fields
from httpprocessproxy.companions.fetch_client.guard import Refused

# Raises Refused for a URL that will not be fetched.
Permits = Callable[[str], None]

ZIP: Final = "zip"
STREAM: Final = "stream"

# The messages of one field, or those of its items by index.
Messages = list[str] | dict[str, list[str]]

MAX_TEXT_CHARACTERS: Final = 2000

_FIELDS: Final = frozenset(("items", "type", "options"))
_ONE_ITEM: Final = "Ticket with the type `stream` allows only one item"
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class InvalidError(Exception):
    """Invalid JSON of a ticket; `messages` maps each wrong field to its messages."""

    def __init__(self, messages: Mapping[str, Messages]) -> None:
        super().__init__(json.dumps(messages))
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Order:
    """The content of a ticket. `filename` is the client's verbatim, or empty.

    `strict` is None if the client did not set it; the service's default applies.
    """

    items: tuple[Item, ...]
    type: str = ZIP
    filename: str = ""
    strict: bool | None = None


class _WrongError(Exception):
    """One field is wrong."""

    def __init__(self, messages: str | dict[str, list[str]]) -> None:
        super().__init__(str(messages))
        self.messages: Messages = [messages] if isinstance(messages, str) else messages


def read_order(value: object, permits: Permits, max_items: int) -> Order:
    """Validate the JSON of a request. Raises InvalidError with the messages of all fields."""
    if not isinstance(value, dict):
        raise InvalidError({"_schema": ["Invalid input type."]})
    wrong: dict[str, Messages] = {name: ["Unknown field."] for name in value if name not in _FIELDS}
    items: tuple[Item, ...] = ()
    kind, filename, strict = ZIP, "", None
    try:
        items = _items(value, permits, max_items)
    except _WrongError as error:
        wrong["items"] = error.messages
    try:
        kind = _type(value, len(items) if "items" not in wrong else 1)
    except _WrongError as error:
        wrong["type"] = error.messages
    try:
        filename, strict = _options(value)
    except _WrongError as error:
        wrong["options"] = error.messages
    if wrong:
        raise InvalidError(wrong)
    return Order(items, kind, filename, strict)


def read_item(value: object, permits: Permits) -> Item:
    """Validate one item: a URL, or an object. Raises ValueError; its text is for the client."""
    match value:
        case str():
            url, name, path, headers = value, None, None, None
        case {"url": str(url), **rest}:
            name, path, headers = rest.get("name"), rest.get("path"), rest.get("headers")
        case dict():
            raise ValueError("Missing `url`, which is a string.")
        case _:
            raise ValueError("Neither a URL nor an object with one.")
    item = Item(url, _text(name, "name"), _text(path, "path"), _headers(headers))
    try:
        permits(url)
        check_fields(dict(item.headers))
    except Refused as refused:
        raise ValueError(f"{refused}") from None
    return item


def dump_items(items: Sequence[Item]) -> str:
    """Items as JSON for the database."""
    return json.dumps(
        [
            {"url": item.url, "name": item.name, "path": item.path, "headers": item.headers}
            for item in items
        ]
    )


def load_items(text: str) -> tuple[Item, ...]:
    """The items of a text from `dump_items`."""
    return tuple(
        Item(value["url"], value["name"], value["path"], tuple((n, v) for n, v in value["headers"]))
        for value in json.loads(text)
    )


def load_json(text: str | bytes) -> object:
    """Parse JSON. Raises ValueError, also for JSON that is nested too deeply."""
    try:
        value: object = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _items(value: Mapping[str, object], permits: Permits, max_items: int) -> tuple[Item, ...]:
    if "items" not in value:
        raise _WrongError("Missing data for required field.")
    listed = _decoded(value["items"], list)
    assert isinstance(listed, list)
    if len(listed) > max_items:
        raise _WrongError(f"Longer than maximum length {max_items}.")
    items: list[Item] = []
    wrong: dict[str, list[str]] = {}
    for index, one in enumerate(listed):
        try:
            items.append(read_item(one, permits))
        except ValueError as error:
            wrong[str(index)] = [str(error)]
    if wrong:
        raise _WrongError(wrong)
    return tuple(items)


def _type(value: Mapping[str, object], items: int) -> str:
    kind = value.get("type", ZIP)
    if not isinstance(kind, str) or kind not in (ZIP, STREAM):
        raise _WrongError(f"Must be one of: {ZIP}, {STREAM}.")
    if kind == STREAM and items != 1:
        raise _WrongError(_ONE_ITEM)
    return kind


def _options(value: Mapping[str, object]) -> tuple[str, bool | None]:
    options = _decoded(value.get("options", {}), dict)
    assert isinstance(options, dict)
    filename, strict = options.get("filename"), options.get("strict")
    try:
        name = _text(filename, "filename")
    except ValueError as error:
        raise _WrongError({"filename": [str(error)]}) from None
    if strict is not None and not isinstance(strict, bool):
        raise _WrongError({"strict": ["Not a valid boolean."]})
    return name, strict


def _decoded(value: object, kind: type) -> object:
    """A value of type `kind`, given as itself or as base64-encoded JSON. Raises _WrongError."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise _WrongError("Not a string.")
    try:
        text = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _WrongError("Not a valid base64-encoded value") from None
    try:
        found = load_json(text)
    except ValueError:
        raise _WrongError("Not a valid JSON") from None
    if not isinstance(found, kind):
        raise _WrongError(f"Unexpected value type after deserialization: {type(found)}")
    return found


def _text(value: object, what: str) -> str:
    """An optional text; empty without one. Raises ValueError."""
    if value is None:
        return ""
    if not isinstance(value, str) or _LONE_SURROGATE.search(value):
        raise ValueError(f"`{what}` is not a valid string.")
    if len(value) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"`{what}` is longer than {MAX_TEXT_CHARACTERS} characters.")
    return value


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError("`headers` is not an object of strings.")
    return tuple(value.items())
