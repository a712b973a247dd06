"""A page replaced by a plain error, in a browser: the error is shown, and the page reloads."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from test.browser import Visit
from test.whole.client.answers import Answer, answering
from test.whole.client.site import html

HTML = {"Content-Type": "text/html"}
PLAIN: dict[str, Answer] = {
    "text": (500, {"Content-Type": "text/plain"}, "<b>Oops</b> & more"),
    "json": (404, {"Content-Type": "application/json"}, '"<b>Oops</b> & more"'),
    "empty": (500, HTML, ""),
}


def answers(answer: Answer) -> Mapping[str, Answer]:
    return {"/": answer}


@pytest.mark.parametrize("kind", PLAIN)
def test_page_is_reloaded_after_plain_error(
    context: BrowserContext, tmp_path: Path, kind: str
) -> None:
    status, _, text = PLAIN[kind]
    with answering(tmp_path, answers((200, HTML, html("first")))) as proxy:
        visit = Visit(context, proxy.running().url)
        hellos = visit.hellos
        proxy.save("answers.json", json.dumps(answers(PLAIN[kind])), by="rename")
        expect(visit.page.locator("pre")).to_have_text(text)
        assert visit.page.title().startswith(str(status))
        visit.greeted_again(hellos)
        proxy.save("answers.json", json.dumps(answers((200, HTML, html("mended")))), by="rename")
        visit.reloaded("mended")


def test_plain_error_is_unchanged_without_injection(
    context: BrowserContext, tmp_path: Path
) -> None:
    with answering(tmp_path, answers(PLAIN["text"]), "--no-inject") as proxy:
        response = context.new_page().goto(proxy.running().url)
        assert response is not None
        assert response.text() == PLAIN["text"][2]


def test_program_gets_the_plain_error(tmp_path: Path) -> None:
    with answering(tmp_path, answers(PLAIN["json"])) as proxy:
        response = proxy.running().get("/", Accept="text/html")
        assert (response.status, response.body.decode()) == (404, PLAIN["json"][2])
