"""The outcomes of a chain, by its Id: as JSON, and on the dashboard."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from test.browser import open_browser
from test.companions.chains.programs import Pipeline
from test.dashboard import opened


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with open_browser() as context:
        yield context


def test_outcomes_of_a_chain_are_found_by_its_id(three: Pipeline) -> None:
    first, second, _ = three.proxies
    chain, _ = three.send("/", second)
    other, _ = three.send("/early413")
    first.wait_output(f"hop {chain} delivered")
    first.wait_output(f"hop {other} error sent to")
    hops = json.loads(first.get(f"/_hpp/hops?id={chain.upper()}").body)["hops"]
    assert [(hop["outcome"], hop["url"]) for hop in hops] == [("delivered", f"{second.url}/")]
    all_hops = json.loads(first.get("/_hpp/hops").body)["hops"]
    assert {chain, other} <= {hop["chain"] for hop in all_hops}


def test_hops_for_a_page_without_the_token_get_403(three: Pipeline) -> None:
    response = three.proxies[0].get("/_hpp/hops", Sec_Fetch_Site="same-origin")
    assert response.status == 403


def test_dashboard_shows_new_chains_at_once(three: Pipeline, browser: BrowserContext) -> None:
    first, second, _ = three.proxies
    before, _ = three.send("/", second)
    first.wait_output(f"hop {before} delivered")
    page = opened(browser, first)
    chains = page.get_by_role("list", name="Chains")
    expect(chains).to_contain_text(before)
    after, _ = three.send("/early413", second)
    shown = chains.get_by_role("listitem").filter(has_text=after)
    expect(shown.first).to_contain_text("error sent to")
    expect(chains.locator("code").first).to_have_text(after)
    page.close()
