"""The parsing of chains, field by field, and their routes, hop by hop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.companions.chains.chain import (
    MAX_HOPS,
    NAMES,
    BadChain,
    Chain,
    carries_chain,
    parse_chain,
)
from httpprocessproxy.core.http.http1 import Fields, RequestHead

ID = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
FIXED = {
    "X-Forward-Id": ID,
    "X-Forward-Errors-To": "http://errors.example",
    "X-Forward-Referer": "ORIGIN",
}
ROUTE = {
    "X-Forward-To": "http://one.example,http://two.example",
    "X-Forward-Query-Params": ",b=2",
    "X-Forward-Method": "POST, put",
}
ALL = {**FIXED, **ROUTE}


def fields(values: dict[str, str]) -> Fields:
    return [(name.encode(), value.encode("latin-1")) for name, value in values.items()]


def parsed(values: dict[str, str]) -> Chain:
    return parse_chain(fields(values))


def refused(values: dict[str, str]) -> tuple[int, str]:
    with pytest.raises(BadChain) as caught:
        parsed(values)
    return caught.value.status, str(caught.value)


def test_chain_with_fixed_fields_only_has_no_next_hop() -> None:
    chain = parsed(FIXED)
    assert (chain.id, chain.errors_to, chain.referer) == (ID, "http://errors.example", "ORIGIN")
    assert not chain.goes_on


def test_chain_with_all_six_fields_has_a_next_hop_and_a_rest() -> None:
    hop = parsed(ALL).next_hop("/orders", "http://me.example/orders?a=1")
    assert (hop.method, hop.url) == ("POST", "http://one.example/orders")
    assert hop.rest.fields() == {
        "X-Forward-Id": ID,
        "X-Forward-Errors-To": "http://errors.example",
        "X-Forward-Referer": "http://me.example/orders?a=1",
        "X-Forward-To": "http://two.example",
        "X-Forward-Query-Params": "b=2",
        "X-Forward-Method": "put",
    }
    last = hop.rest.next_hop("/orders", "http://one.example/orders")
    assert (last.method, last.url) == ("PUT", "http://two.example/orders?b=2")
    assert last.rest.fields() == {**FIXED, "X-Forward-Referer": "http://one.example/orders"}


def test_field_names_are_case_insensitive() -> None:
    assert parsed({name.lower(): value for name, value in ALL.items()}) == parsed(ALL)


def test_list_in_several_field_lines_is_joined() -> None:
    several = fields({**FIXED, "X-Forward-Method": "POST", "X-Forward-Query-Params": ""})
    several += fields({"X-Forward-To": "http://one.example"})
    several += fields({"X-Forward-To": "http://two.example"})
    several += fields({"X-Forward-Method": "PUT", "X-Forward-Query-Params": "b=2"})
    assert parse_chain(several) == parsed({**ALL, "X-Forward-Method": "POST,PUT"})


@pytest.mark.parametrize("name", NAMES)
def test_missing_field_is_named_in_the_refusal(name: str) -> None:
    rest = {key: value for key, value in ALL.items() if key != name}
    assert refused(rest) == (400, f"Missing header {name}")


def test_missing_fields_are_named_in_order() -> None:
    only = {"X-Forward-To": "http://one.example"}
    assert refused(only) == (
        400,
        "Missing headers X-Forward-Id, X-Forward-Referer, X-Forward-Errors-To, "
        "X-Forward-Query-Params and X-Forward-Method",
    )
    two = {**FIXED, "X-Forward-To": "http://one.example"}
    assert refused(two)[1] == "Missing headers X-Forward-Query-Params and X-Forward-Method"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, {"X-Forward-Id": "no-uuid"}),
        (400, {"X-Forward-Id": f"{{{ID}}}"}),
        (400, {"X-Forward-Method": "POST"}),
        (400, {"X-Forward-Query-Params": "a,b,c"}),
        (400, {"X-Forward-Method": "POST,DELETE"}),
        (400, {"X-Forward-Method": ",PUT"}),
        (400, {"X-Forward-Query-Params": "a b,"}),
        (400, {"X-Forward-Query-Params": "a#b,"}),
        (400, {"X-Forward-Query-Params": "100%,"}),
        (400, {"X-Forward-Referer": "caf\xe9"}),
        (403, {"X-Forward-To": "ftp://one.example,http://two.example"}),
        (403, {"X-Forward-To": "one.example,http://two.example"}),
        (403, {"X-Forward-To": "http://one.example,//two.example"}),
        (403, {"X-Forward-To": ",http://two.example"}),
        (403, {"X-Forward-To": "http://user@one.example,http://two.example"}),
    ],
)
def test_malformed_field_is_refused(status: int, said: dict[str, str]) -> None:
    assert refused({**ALL, **said})[0] == status


@pytest.mark.parametrize("hops", [MAX_HOPS, MAX_HOPS + 1])
def test_chain_with_more_than_the_maximum_of_hops_is_refused(hops: int) -> None:
    long = {
        **FIXED,
        "X-Forward-To": ",".join(["http://one.example"] * hops),
        "X-Forward-Query-Params": "," * (hops - 1),
        "X-Forward-Method": ",".join(["POST"] * hops),
    }
    if hops > MAX_HOPS:
        assert refused(long) == (400, f"more than {MAX_HOPS} hops")
    else:
        assert len(parsed(long).to) == hops


def test_next_url_uses_only_the_origin_of_the_destination() -> None:
    places = "HTTPS://One.example:8443/path?query#fragment,http://two.example"
    hop = parsed({**ALL, "X-Forward-To": places}).next_hop("/a#b", "")
    assert hop.url == "HTTPS://One.example:8443/a%23b"


@pytest.mark.parametrize(
    ("before", "added", "after"),
    [
        (",b=2", "c=3", ",b=2&c=3"),
        ("a=1,", "c=3", "a=1,c=3"),
        ("a=1, ", "c=3", "a=1,c=3"),
        ("a=1,b=2", ",", None),  # of unequal length
    ],
)
def test_query_of_a_handler_is_joined_to_the_last_step(
    before: str, added: str, after: str | None
) -> None:
    chain = parsed({**ALL, "X-Forward-Query-Params": before})
    said = fields({"X-Forward-Query-Params": added})
    if after is None:
        with pytest.raises(BadChain):
            chain.extended(said)
    else:
        assert chain.extended(said).queries == tuple(after.split(","))


def test_handler_fills_in_an_open_step() -> None:
    chain = parsed(
        {
            **FIXED,
            "X-Forward-To": "http://one.example,",
            "X-Forward-Query-Params": "a=1,",
            "X-Forward-Method": "POST,",
        }
    )
    said = {"X-Forward-To": "http://two.example", "X-Forward-Method": "PUT"}
    assert chain.extended(fields(said)).to == ("http://one.example", "http://two.example")
    # A step that stays open has no hop.
    hop = chain.next_hop("/", "")
    assert not hop.rest.goes_on
    assert set(hop.rest.fields()) == set(FIXED)


def test_handler_extends_a_chain_that_had_no_next_hop() -> None:
    chain = parsed(FIXED).extended(fields(ROUTE))
    assert chain == parsed(ALL)
    with pytest.raises(BadChain, match="Missing header X-Forward-Method"):
        parsed(FIXED).extended(fields(ROUTE)[:2])


def test_values_that_begin_with_a_comma_add_a_whole_step() -> None:
    said = {
        "X-Forward-To": ",http://three.example",
        "X-Forward-Query-Params": ",",
        "X-Forward-Method": ",POST",
    }
    chain = parsed(ALL).extended(fields(said))
    assert chain.to[-1] == "http://three.example"
    assert (chain.queries[-1], chain.methods[-1]) == ("", "POST")


def test_chain_without_route_fields_in_the_response_is_unchanged() -> None:
    chain = parsed(ALL)
    assert chain.extended([(b"Content-Type", b"text/plain"), (b"X-Forward-Id", b"x")]) is chain


@pytest.mark.parametrize(
    ("method", "names", "carries"),
    [
        (b"POST", [b"X-Forward-Id"], True),
        (b"PUT", [b"x-forward-to"], True),
        (b"POST", [b"X-Forwarded-For", b"X-Forward-For"], False),
        (b"GET", [b"X-Forward-Id"], False),
        (b"DELETE", [b"X-Forward-Id"], False),
        (b"POST", [b"X-Forward-Id", b"X-Forward-Error-Condition"], False),
    ],
)
def test_request_carries_a_chain_by_its_method_and_field_names(
    method: bytes, names: list[bytes], carries: bool
) -> None:
    head = RequestHead(method, b"/", False, [(name, b"") for name in names])
    assert carries_chain(head) is carries


@given(st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=60)))
def test_any_bytes_are_a_valid_chain_or_refused(said: dict[str, bytes]) -> None:
    raw = {**fields_of(ALL), **{name.encode(): value for name, value in said.items()}}
    refusal: BadChain | None = None
    try:
        sent = "".join(parse_chain(list(raw.items())).fields().values())
    except BadChain as bad:
        refusal, sent = bad, str(bad)
    assert refusal is None or refusal.status in (400, 403)
    assert sent.isascii()
    assert sent.isprintable() or "\t" in sent


def fields_of(values: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in values.items()}
