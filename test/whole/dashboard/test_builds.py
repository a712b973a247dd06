"""The dashboard shows a build (`--before`), and its failure until the next success."""

import shlex
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from test.dashboard import opened, started, state


def test_build_is_shown_beside_the_state_that_it_leaves(
    browser: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "shop").mkdir()
    go = tmp_path / "go"
    go.touch()
    check = f"while [ ! -e {go} ]; do sleep 0.01; done; exec grep -q 200 hook.py"
    with started(tmp_path / "shop", "--before", f"sh -c {shlex.quote(check)}") as proxy:
        page = opened(browser, proxy.running())
        facts = page.locator("#facts")
        go.unlink()
        proxy.save("hook.py", "404")
        expect(facts).to_contain_text(", building")
        expect(state(page)).to_have_text("Running")
        go.touch()
        expect(facts).to_contain_text("the last build has failed: it ended with exit status 1")
        expect(state(page)).to_have_text("Running")
        page.reload()
        expect(facts).to_contain_text("the last build has failed")
        proxy.save("hook.py", "200")
        expect(facts).to_contain_text("start 2,")
        expect(facts).not_to_contain_text("build")
        page.close()
