"""The scope of a watcher: files that restart, files that refresh, and git's ignore rules."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.config import WatchConfig
from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.watch.scope import Scope

DEFAULT = WatchConfig()


@pytest.fixture
def repository(project: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    (project / ".gitignore").write_text("dist\n*.log\n")
    return project


def test_file_ignored_by_git_is_out_of_scope(repository: Path) -> None:
    scope = Scope.of(DEFAULT, repository)
    assert scope.matches("a.py")
    assert scope.matches(".gitignore")
    assert not scope.matches("a.log")
    assert not scope.matches("dist/a.py")
    assert scope.may_contain("")
    assert scope.may_contain("src")
    assert not scope.may_contain("src/dist")
    assert not scope.may_contain("node_modules")


@pytest.mark.parametrize(
    "config", [replace(DEFAULT, patterns=("**/*",)), replace(DEFAULT, default_excludes=False)]
)
def test_pattern_or_no_default_excludes_disables_gits_rules(
    repository: Path, config: WatchConfig
) -> None:
    scope = Scope.of(config, repository)
    assert scope.matches("dist/a.log")
    assert scope.may_contain("dist")


def test_file_of_a_refresh_glob_refreshes_despite_gits_rules(repository: Path) -> None:
    scope = Scope.of(replace(DEFAULT, refresh=("dist/*.css", "**/*.html")), repository)
    assert scope.refreshes("dist/a.css")
    assert scope.matches("dist/a.css"), "named, so git is not asked"
    assert not scope.matches("dist/a.js")
    assert scope.may_contain("dist")
    assert scope.matches("a.py")
    assert not scope.refreshes("a.py")
    assert scope.refreshes("templates/a.html")


def test_refresh_glob_precedes_pattern(project: Path) -> None:
    config = replace(DEFAULT, patterns=("src/**",), refresh=("**/*.css",))
    scope = Scope.of(config, project)
    assert scope.refreshes("src/a.css")
    assert scope.matches("other/a.css")
    assert not scope.matches("other/a.py")


def test_excludes_apply_to_patterns_and_refresh_globs(project: Path) -> None:
    config = replace(DEFAULT, refresh=("**/*.css",), excludes=("gen/**",))
    scope = Scope.of(config, project, never=["out.txt"])
    for path in ("gen/a.py", "gen/a.css", "out.txt"):
        assert not scope.matches(path)
        assert not scope.refreshes(path)


def test_changed_gitignore_renews_the_scope(repository: Path) -> None:
    scope = Scope.of(DEFAULT, repository)
    assert not scope.matches("dist/a.py")
    (repository / ".gitignore").write_text("")
    assert not scope.renew(["a.py", "x.gitignore"])
    assert not scope.matches("dist/a.py")
    assert scope.renew(["src/.gitignore"])
    assert scope.matches("dist/a.py")
    assert scope.renew([ANYTHING])


def test_gitignore_does_not_renew_a_scope_without_gits_rules(project: Path) -> None:
    named = replace(DEFAULT, patterns=("**",))
    assert not Scope.of(named, project).renew([".gitignore", ANYTHING])


def test_new_virtual_environment_renews_the_scope(project: Path) -> None:
    scope = Scope.of(DEFAULT, project)
    assert scope.matches("env/lib/a.py")
    (project / "env").mkdir()
    (project / "env" / "pyvenv.cfg").touch()
    assert scope.renew(["env/pyvenv.cfg"])
    assert not scope.matches("env/lib/a.py")


@pytest.mark.parametrize(
    ("env_file", "path"),
    [
        (".env", ".env"),
        ("./conf/[dev].env", "conf/[dev].env"),
        ("dist/.env", "dist/.env"),
        ("venv/.env", "venv/.env"),
        ("{project}/.env", ".env"),
    ],
)
def test_env_file_is_in_scope_unless_excluded(repository: Path, env_file: str, path: str) -> None:
    (repository / ".gitignore").write_text("*.env\ndist\n")
    file = Path(env_file.replace("{project}", str(repository)))
    for patterns in ((), ("**/*.py",)):
        scope = Scope.of(replace(DEFAULT, patterns=patterns), repository, env_file=file)
        assert scope.matches(path)
        assert scope.copy().matches(path)
        assert not scope.matches("other.env")
        assert scope.may_contain(path.rpartition("/")[0])
    excluding = replace(DEFAULT, excludes=("**/*.env",))
    assert not Scope.of(excluding, repository, env_file=file).matches(path)


def test_env_file_outside_the_root_is_out_of_scope(repository: Path) -> None:
    config = replace(DEFAULT, patterns=("*.py",))
    assert not Scope.of(config, repository, env_file=Path("../.env")).matches(".env")


def test_copy_of_a_scope_has_its_own_caches(repository: Path) -> None:
    scope = Scope.of(replace(DEFAULT, refresh=("**/*.css",)), repository)
    copy = scope.copy()
    assert not copy.matches("a.log")
    assert copy.refreshes("a.css")
    (repository / ".gitignore").write_text("")
    scope.renew([".gitignore"])
    assert scope.matches("a.log")
    assert not copy.matches("a.log")
