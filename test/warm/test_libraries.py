"""The watched files of preloaded libraries, and the reports of their changes."""

import asyncio
from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import ANYTHING
from httpprocessproxy.warm.libraries import Libraries, Places, described, watching
from test.loops import eventually, on_every_loop

MODULES = ("json", "django", "django.urls", "django.urls.base", "six", "gone.away")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A virtual environment with packages, some of which are preloaded."""
    folder = tmp_path / "venv"
    site = folder / "lib" / "python3" / "site-packages"
    for package in ("django/urls", "django/forms", "pandas", "django-5.2.dist-info"):
        (site / package).mkdir(parents=True)
    (folder / "bin").mkdir()
    return folder


@pytest.fixture
def places(prefix: Path, project: Path) -> Places:
    site = prefix / "lib" / "python3" / "site-packages"
    named = (prefix / "pyvenv.cfg", prefix / "bin" / "python")
    return Places.of(MODULES, (str(site), "/no/such"), map(str, named), project)


def test_roots_are_smallest_set_of_folders(places: Places, prefix: Path, project: Path) -> None:
    assert places.roots() == sorted((str(prefix), str(project)))


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("lib/python3/site-packages/django/__init__.py", True),
        ("lib/python3/site-packages/django/urls/base.py", True),
        ("lib/python3/site-packages/django/urls/base.pyc", False),
        ("lib/python3/site-packages/django/forms/fields.py", False),
        ("lib/python3/site-packages/pandas/__init__.py", False),
        ("lib/python3/site-packages/six.py", True),
        ("lib/python3/site-packages/site.pth", True),
        ("lib/python3/site-packages/django-5.2.dist-info/RECORD", True),
        ("lib/python3/other.py", False),
        ("pyvenv.cfg", True),
        ("bin/python", True),
        ("bin/flask", False),
    ],
)
def test_files_of_preloaded_libraries_match(
    places: Places, prefix: Path, path: str, counts: bool
) -> None:
    scope = Libraries(str(prefix), places)
    assert scope.matches(path) is counts
    if counts:
        assert scope.may_contain(path.rpartition("/")[0])


@pytest.mark.parametrize(
    ("folder", "may"),
    [
        ("", True),
        ("lib", True),
        ("lib/python3/site-packages/django/urls", True),
        ("lib/python3/site-packages/django/forms", False),
        ("lib/python3/site-packages/pandas", False),
        ("lib/python3/site-packages/flask-3.dist-info", True),
        ("share", False),
    ],
)
def test_folders_without_imports_are_not_watched(
    places: Places, prefix: Path, folder: str, may: bool
) -> None:
    assert Libraries(str(prefix), places).may_contain(folder) is may


def test_requirements_in_project_folder_match(places: Places, project: Path) -> None:
    scope = Libraries(str(project), places)
    assert scope.matches("requirements-dev.txt")
    assert scope.matches("uv.lock")
    assert not scope.matches("app.py")
    assert not scope.matches("docs/requirements.txt")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/v/lib/site-packages/django/urls/base.py", "django"),
        ("/v/lib/site-packages/Django-5.2.dist-info/RECORD", "Django"),
        ("/usr/lib/python3/dist-packages/six.py", "six"),
        ("/p/requirements.txt", "requirements.txt"),
        ("/v/pyvenv.cfg", "/v/pyvenv.cfg"),
        (ANYTHING, "something installed"),
    ],
)
def test_changed_library_is_described_by_name(path: str, word: str) -> None:
    assert described({path}, Path("/p")) == word


@on_every_loop
async def test_changes_of_preloaded_libraries_are_reported(
    places: Places, prefix: Path, project: Path
) -> None:
    changed: set[str] = set()
    warnings: list[str] = []
    site = prefix / "lib" / "python3" / "site-packages"

    async with asyncio.timeout(20), watching(places, changed.update, warnings.append):
        (site / "pandas" / "__init__.py").touch()
        for path in (
            site / "django" / "urls" / "base.py",
            site / "flask-3.dist-info" / "RECORD",
            prefix / "pyvenv.cfg",
            project / "requirements.txt",
        ):
            path.parent.mkdir(exist_ok=True)
            path.touch()
            await eventually(lambda path=path: str(path) in changed)  # type: ignore[misc]
    assert not any("pandas" in path for path in changed)
    assert warnings == []
