"""Virtual environments of any name are out of scope unless a pattern names them."""

from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.config import WatchConfig, WatcherName
from httpprocessproxy.watch.environments import Environments
from httpprocessproxy.watch.scope import Scope
from test.watch.watching import run, watching

DEFAULT = WatchConfig()


@pytest.fixture
def environment(project: Path) -> Path:
    """A virtual environment in a subfolder, with an arbitrary name."""
    folder = project / "tools" / "mine"
    (folder / "lib").mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    return folder


def test_environment_is_found_from_any_folder_in_it(project: Path, environment: Path) -> None:
    environments = Environments(project)
    assert environments.around("tools/mine/lib/deep") == "tools/mine"
    assert environments.around("tools/mine") == "tools/mine"
    assert environments.around("tools") == ""


@pytest.mark.parametrize(
    ("patterns", "counts"),
    [
        ((), False),
        (("**/*.py",), False),
        (("tools/**",), False),
        (("tools/mine/**",), True),
        (("**/m*e/lib/*.py",), True),
    ],
)
def test_environment_is_in_scope_only_if_a_pattern_names_it(
    project: Path, environment: Path, patterns: tuple[str, ...], counts: bool
) -> None:
    scope = Scope.of(replace(DEFAULT, patterns=patterns), project)
    assert scope.matches("tools/mine/lib/a.py") is counts
    assert scope.may_contain("tools/mine/lib") is counts
    assert scope.may_contain("tools")


def test_environment_is_in_scope_without_default_excludes(project: Path, environment: Path) -> None:
    scope = Scope.of(replace(DEFAULT, default_excludes=False), project)
    assert scope.matches("tools/mine/lib/a.py")


def test_environment_made_while_watching_leaves_the_scope(name: WatcherName, project: Path) -> None:
    (project / "env" / "lib").mkdir(parents=True)

    async def main() -> None:
        async with watching(name, project, scope=Scope.of(DEFAULT, project)) as (reports, _):
            (project / "env" / "lib" / "a.py").touch()
            await reports.see("env/lib/a.py")
            (project / "env" / "pyvenv.cfg").touch()
            await reports.see("env/pyvenv.cfg")
            await reports.all()
            await reports.all()
            (project / "env" / "lib" / "b.py").touch()
            assert "env/lib/b.py" not in await reports.all()

    run(main())
