"""What is kept from one session to the next, and when it is not believed."""

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
    """A folder with a distribution in it."""
    folder = tmp_path / "site-packages"
    (folder / "django-5.2.dist-info").mkdir(parents=True)
    return folder


@pytest.fixture
def kept(installed: Path) -> CachedRecord:
    return CachedRecord(ImportRecord(("json", "django"), ("shop",), (), (str(installed),)), 332.1)


def test_what_is_saved_is_loaded(tmp_path: Path, kept: CachedRecord) -> None:
    RecordCache(tmp_path / "a" / "b", KEY).save(kept)
    assert RecordCache(tmp_path / "a" / "b", KEY).load() == kept
    assert RecordCache(tmp_path / "a" / "b", "other").load() is None
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0
    assert os.listdir(tmp_path / "a" / "b") == [f"{KEY}.json"]


def test_the_time_of_a_cold_start_may_be_unknown(tmp_path: Path, kept: CachedRecord) -> None:
    RecordCache(tmp_path, KEY).save(CachedRecord(kept.record))
    assert RecordCache(tmp_path, KEY).load() == CachedRecord(kept.record)


def test_another_set_of_distributions_makes_it_worthless(
    tmp_path: Path, kept: CachedRecord, installed: Path
) -> None:
    record_cache = RecordCache(tmp_path, KEY)
    record_cache.save(kept)
    (installed / "cache").mkdir()
    assert record_cache.load() == kept
    (installed / "flask-3.1.dist-info").mkdir()
    assert record_cache.load() is None


@pytest.mark.parametrize(
    "text",
    ["", "[[[", "null", "[]", "{}", '{"record": 1, "lock": "", "cold_ms": null}'],
)
def test_nonsense_is_nothing(tmp_path: Path, kept: CachedRecord, text: str) -> None:
    record_cache = RecordCache(tmp_path, KEY)
    record_cache.save(kept)
    (tmp_path / f"{KEY}.json").write_text(text)
    assert record_cache.load() is None


def test_a_record_that_is_none_is_nothing(tmp_path: Path) -> None:
    text = f'{{"record": "?", "lock": "{lock_of(())}", "cold_ms": null}}'
    (tmp_path / f"{KEY}.json").write_text(text)
    assert RecordCache(tmp_path, KEY).load() is None


def test_what_another_user_wrote_is_not_believed(
    tmp_path: Path, kept: CachedRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_cache = RecordCache(tmp_path, KEY)
    record_cache.save(kept)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert record_cache.load() is None


def test_without_a_folder_nothing_is_kept(tmp_path: Path, kept: CachedRecord) -> None:
    RecordCache(None, KEY).save(kept)
    assert RecordCache(None, KEY).load() is None
    (tmp_path / "file").touch()
    RecordCache(tmp_path / "file", KEY).save(kept)
    assert RecordCache(tmp_path / "file", KEY).load() is None


def test_the_folder_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_user_without_a_home_has_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert cache_folder() is None


def test_the_key_is_of_all_that_leads_to_other_imports(tmp_path: Path) -> None:
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
