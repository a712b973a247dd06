"""The cache of import records, and when a cached record is ignored."""

import os
from pathlib import Path

import pytest

from httpprocessproxy.warm import ImportRecord
from httpprocessproxy.warm.record_cache import (
    CachedRecord,
    RecordCache,
    cache_folder,
    key_of,
    lock_of,
)

KEY = "key"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with an installed distribution."""
    folder = tmp_path / "site-packages"
    (folder / "django-5.2.dist-info").mkdir(parents=True)
    return folder


@pytest.fixture
def cached(installed: Path) -> CachedRecord:
    return CachedRecord(ImportRecord(("json", "django"), ("shop",), (), (str(installed),)), 332.1)


def test_saved_record_is_loaded(tmp_path: Path, cached: CachedRecord) -> None:
    RecordCache(tmp_path / "a" / "b", KEY).save(cached)
    assert RecordCache(tmp_path / "a" / "b", KEY).load() == cached
    assert RecordCache(tmp_path / "a" / "b", "other").load() is None
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0
    assert os.listdir(tmp_path / "a" / "b") == [f"{KEY}.json"]


def test_record_without_cold_start_duration_is_loaded(tmp_path: Path, cached: CachedRecord) -> None:
    RecordCache(tmp_path, KEY).save(CachedRecord(cached.record))
    assert RecordCache(tmp_path, KEY).load() == CachedRecord(cached.record)


def test_record_for_other_distributions_is_ignored(
    tmp_path: Path, cached: CachedRecord, installed: Path
) -> None:
    record_cache = RecordCache(tmp_path, KEY)
    record_cache.save(cached)
    (installed / "cache").mkdir()
    assert record_cache.load() == cached
    (installed / "flask-3.1.dist-info").mkdir()
    assert record_cache.load() is None


@pytest.mark.parametrize(
    "text",
    ["", "[[[", "null", "[]", "{}", '{"record": 1, "lock": "", "cold_ms": null}'],
)
def test_invalid_cache_file_is_ignored(tmp_path: Path, cached: CachedRecord, text: str) -> None:
    record_cache = RecordCache(tmp_path, KEY)
    record_cache.save(cached)
    (tmp_path / f"{KEY}.json").write_text(text)
    assert record_cache.load() is None


def test_invalid_record_is_ignored(tmp_path: Path) -> None:
    text = f'{{"record": "?", "lock": "{lock_of(())}", "cold_ms": null}}'
    (tmp_path / f"{KEY}.json").write_text(text)
    assert RecordCache(tmp_path, KEY).load() is None


def test_record_of_another_user_is_ignored(
    tmp_path: Path, cached: CachedRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_cache = RecordCache(tmp_path, KEY)
    record_cache.save(cached)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert record_cache.load() is None


def test_cache_without_usable_folder_is_empty(tmp_path: Path, cached: CachedRecord) -> None:
    RecordCache(None, KEY).save(cached)
    assert RecordCache(None, KEY).load() is None
    (tmp_path / "file").touch()
    RecordCache(tmp_path / "file", KEY).save(cached)
    assert RecordCache(tmp_path / "file", KEY).load() is None


def test_folder_is_in_cache_folder_of_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Path("http-process-proxy") / "preload"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / inside
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / inside
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "Library/Caches" / inside


def test_user_without_home_has_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert cache_folder() is None


def test_key_depends_on_everything_that_changes_imports(tmp_path: Path) -> None:
    words = ("python", "app.py")

    def key(name: str = "python", words: tuple[str, ...] = words, **environment: str) -> str:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
        return key_of(str(tmp_path / name), words, tmp_path, environment)

    same = key()
    assert key(HOME="/root", PATH="/bin") == same
    others = {
        key("python3"),
        key(words=("python", "-O", "app.py")),
        key(words=("python -O", "app.py")),
        key(PYTHONPATH="src"),
        key(VIRTUAL_ENV="/v"),
        key_of(str(tmp_path / "python"), words, tmp_path / "b", {}),
    }
    assert len(others - {same}) == 6
    os.utime(tmp_path / "python", (2, 2))
    assert key_of(str(tmp_path / "python"), words, tmp_path, {}) != same
