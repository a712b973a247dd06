"""Warnings about globs that match no file, and the hints in them."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.config import WatchConfig
from httpprocessproxy.watch import unmatched as module
from httpprocessproxy.watch.unmatched import unmatched

DEFAULT = WatchConfig()


@pytest.fixture
def filled(project: Path) -> Path:
    for name in ("src/deep/a.py", "static/a.css", "node_modules/x/index.js"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    return project


@pytest.mark.parametrize(
    ("glob", "hint"),
    [
        ("srcc/**", ": there is 'src'"),
        ("src/deap/*.py", ": there is 'src/deep'"),
        ("**/*.rb", ""),
        ("*.py", ""),
        ("nothing/alike", ""),
        ("**/*.js", ""),
        ("!node_modules/**", ": --exclude 'node_modules/**' leaves files out"),
    ],
)
def test_glob_that_matches_no_file_is_reported_with_a_hint(
    filled: Path, glob: str, hint: str
) -> None:
    lines = list(unmatched(replace(DEFAULT, patterns=(glob,)), filled))
    assert lines == [f"--pattern '{glob}' matches no file here{hint}"]


@pytest.mark.parametrize("glob", ["src/**", "**/*.py", "src", "static/*.{css,js}", "**"])
def test_glob_that_matches_a_file_is_not_reported(filled: Path, glob: str) -> None:
    assert not list(unmatched(replace(DEFAULT, patterns=(glob,), refresh=(glob,)), filled))


def test_refresh_glob_is_reported_with_its_option(filled: Path) -> None:
    (line,) = unmatched(replace(DEFAULT, refresh=("static/*.html",)), filled)
    assert line.startswith("--refresh 'static/*.html' matches no file")


def test_links_in_a_circle_do_not_keep_the_search_going(filled: Path) -> None:
    os.symlink(".", filled / "src" / "self")
    assert list(unmatched(replace(DEFAULT, patterns=("src/**/*.rb",)), filled))


def test_tree_beyond_the_limit_gives_no_warning(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    assert not list(unmatched(replace(DEFAULT, patterns=("**/*.rb",)), filled))
