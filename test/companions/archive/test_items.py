"""Validation of tickets: accepted JSON, and the message for each error."""

import base64
import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpprocessproxy.companions.archive.items import (
    InvalidError,
    Order,
    dump_items,
    load_items,
    load_json,
    read_item,
    read_order,
)
from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.fetch_client import Refused

MAX_ITEMS = 3

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def permits(url: str) -> None:
    if "forbidden" in url:
        raise Refused("it is forbidden")


def read(**data: object) -> Order:
    return read_order(data, permits, MAX_ITEMS)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def wrong(data: object) -> Mapping[str, object]:
    with pytest.raises(InvalidError) as error:
        read_order(data, permits, MAX_ITEMS)
    return error.value.messages


def test_order_without_items_is_valid() -> None:
    assert read(items=[]) == Order(())


def test_order_with_all_fields_is_read() -> None:
    data = {"url": "/b", "name": "n", "path": "p", "headers": {"Accept": "text/plain"}, "more": 1}
    order = read(items=["/a", data], type="zip", options={"filename": "f", "strict": True, "x": 1})
    items = (Item("/a"), Item("/b", "n", "p", (("Accept", "text/plain"),)))
    assert order == Order(items, "zip", "f", True)


def test_null_is_the_same_as_a_missing_field() -> None:
    data = {"url": "/a", "name": None, "path": None, "headers": None}
    assert read(items=[data], options={"filename": None, "strict": None}) == Order((Item("/a"),))


def test_base64_is_decoded() -> None:
    order = read(items=encoded('["/a"]'), options=encoded('{"filename": "f"}'))
    assert order == Order((Item("/a"),), filename="f")


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        ({}, {"items": ["Missing data for required field."]}),
        ([], {"_schema": ["Invalid input type."]}),
        (None, {"_schema": ["Invalid input type."]}),
        ({"items": 1}, {"items": ["Not a string."]}),
        ({"items": None}, {"items": ["Not a string."]}),
        ({"items": {}}, {"items": ["Not a string."]}),
        ({"items": "*"}, {"items": ["Not a valid base64-encoded value"]}),
        ({"items": "caf\xe9"}, {"items": ["Not a valid base64-encoded value"]}),
        ({"items": ""}, {"items": ["Not a valid JSON"]}),
        ({"items": encoded("[")}, {"items": ["Not a valid JSON"]}),
        ({"items": encoded("[" * 100_000)}, {"items": ["Not a valid JSON"]}),
        ({"items": base64.b64encode(b"\xff").decode()}, {"items": ["Not a valid JSON"]}),
        (
            {"items": encoded("{}")},
            {"items": ["Unexpected value type after deserialization: <class 'dict'>"]},
        ),
        ({"items": ["/"] * 4}, {"items": ["Longer than maximum length 3."]}),
        ({"items": [], "options": []}, {"options": ["Not a string."]}),
        (
            {"items": [], "options": encoded("[]")},
            {"options": ["Unexpected value type after deserialization: <class 'list'>"]},
        ),
        (
            {"items": [], "options": {"filename": 1}},
            {"options": {"filename": ["`filename` is not a valid string."]}},
        ),
        (
            {"items": [], "options": {"strict": 1}},
            {"options": {"strict": ["Not a valid boolean."]}},
        ),
        ({"items": [], "type": "tar"}, {"type": ["Must be one of: zip, stream."]}),
        ({"items": [], "type": ["zip"]}, {"type": ["Must be one of: zip, stream."]}),
        (
            {"items": [], "type": "stream"},
            {"type": ["Ticket with the type `stream` allows only one item"]},
        ),
        (
            {"items": ["/a", "/b"], "type": "stream"},
            {"type": ["Ticket with the type `stream` allows only one item"]},
        ),
        (
            {"items": [], "item": [], "\ud800": 1},
            {n: ["Unknown field."] for n in ("item", "\ud800")},
        ),
        (
            {"items": ["/a", 1, "forbidden"]},
            {"items": {"1": ["Neither a URL nor an object with one."], "2": ["it is forbidden"]}},
        ),
    ],
)
def test_invalid_order_gives_messages(data: object, messages: Mapping[str, object]) -> None:
    assert wrong(data) == messages


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "Neither a URL nor an object with one."),
        ([], "Neither a URL nor an object with one."),
        ({}, "Missing `url`, which is a string."),
        ({"url": 1}, "Missing `url`, which is a string."),
        ({"url": "/", "name": 1}, "`name` is not a valid string."),
        ({"url": "/", "name": "\ud800"}, "`name` is not a valid string."),
        ({"url": "/", "path": "x" * 2001}, "`path` is longer than 2000 characters."),
        ({"url": "/", "headers": []}, "`headers` is not an object of strings."),
        ({"url": "/", "headers": {"A": 1}}, "`headers` is not an object of strings."),
        ({"url": "/", "headers": {"Host": "x"}}, "the header Host cannot be chosen"),
        ({"url": "/", "headers": {"A": "\r\nB: c"}}, "the header A has control characters in it"),
        ({"url": "/", "headers": {"A:": "x"}}, "not the name of a header: 'A:'"),
    ],
)
def test_invalid_item_raises_value_error(data: object, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the text is compared below
        read_item(data, permits)
    assert str(error.value) == message


def test_dumped_items_are_loaded_unchanged() -> None:
    items = read(items=["/a", {"url": "/b", "name": "\0\xe9", "headers": {"A": "b"}}]).items
    assert load_items(dump_items(items)) == items
    assert dump_items(items).isascii(), "independent of the database's encoding"


@settings(max_examples=50)
@given(ANYTHING)
def test_arbitrary_json_is_read_or_raises_invalid_error(data: object) -> None:
    for value in (data, {"items": data}, {"items": [data]}, {"items": [], "options": data}):
        try:
            order = read_order(value, permits, MAX_ITEMS)
        except InvalidError as error:
            load_json(json.dumps({"errors": {"json": error.messages}}))
        else:
            assert load_items(dump_items(order.items)) == order.items
