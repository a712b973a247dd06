"""The union of scopes, and the changes that concern each of them."""

import subprocess
from pathlib import Path

import pytest

from httpprocessproxy.config import WatchConfig
from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.scope_union import ScopeUnion


def scope_of(root: Path, *patterns: str, refresh: tuple[str, ...] = ()) -> Scope:
    """A scope of these patterns; without any, no file restarts the service."""
    config = WatchConfig(restarts=bool(patterns), patterns=patterns, refresh=refresh)
    return Scope.of(config, root)


def test_single_scope_is_its_own_union(project: Path) -> None:
    scope = scope_of(project, "*.py")
    assert ScopeUnion.joined([scope]) is scope


def test_file_is_in_the_union_if_it_is_in_any_scope(project: Path) -> None:
    union = ScopeUnion.joined([scope_of(project, "api/**"), scope_of(project, "web/*.js")])
    for each in (union, union.copy()):
        assert each.matches("api/deep/a.py")
        assert each.matches("web/a.js")
        assert not each.matches("web/a.py")
        assert each.may_contain("web")
        assert each.may_contain("api/deep")
        assert not each.may_contain("docs")


def test_each_scope_is_renewed(project: Path) -> None:
    (project / ".gitignore").write_text("*.log\n")
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    scopes = [Scope.of(WatchConfig(), project), Scope.of(WatchConfig(), project)]
    union = ScopeUnion.joined(scopes)
    assert not union.matches("a.log")
    (project / ".gitignore").write_text("")
    assert union.renew([".gitignore"])
    assert all(scope.matches("a.log") for scope in scopes)
    assert not union.renew(["a.log"])


@pytest.mark.parametrize(
    ("paths", "of_api", "of_web", "of_worker"),
    [
        ({"api/a.py"}, {"api/a.py"}, set(), set()),
        ({"api/a.py", "web/a.css"}, {"api/a.py"}, {"web/a.css"}, set()),
        ({"docs/a.txt"}, set(), set(), set()),
        ({ANYTHING}, {ANYTHING}, set(), set()),
        ({ANYTHING, "web/a.css"}, {ANYTHING}, {"web/a.css"}, set()),
    ],
)
def test_changes_are_dispatched_to_the_scopes_that_they_concern(
    project: Path, paths: set[str], of_api: set[str], of_web: set[str], of_worker: set[str]
) -> None:
    scopes = scope_of(project, "api/**"), scope_of(project, refresh=("**",)), scope_of(project)
    web = scope_of(project, refresh=("web/*.css",))
    assert scopes[0].among(frozenset(paths)) == of_api
    assert web.among(frozenset(paths)) == of_web
    assert scopes[2].among(frozenset(paths)) == of_worker
    assert ANYTHING not in scopes[1].among(frozenset(paths)), "it restarts nothing"


def test_service_without_patterns_watches_no_file(project: Path) -> None:
    scope = Scope.of(WatchConfig(restarts=False), project, env_file=project / "local.env")
    assert not scope.matches("a.py")
    assert not scope.matches("local.env")
    assert not scope.may_contain("src")
