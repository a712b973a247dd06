"""The registry of running proxies, with entries of real processes."""

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from httpprocessproxy.system.registry import ProxyRegistry, Registration, RunningProxy
from test.deadline import PATIENCE_S

# A process that registers itself; its child keeps the lock, as the program's second process does.
HOLDER = """
import os, sys
from pathlib import Path
from httpprocessproxy.system.registry import ProxyRegistry

registration = ProxyRegistry(Path(sys.argv[1])).register(Path(sys.argv[2]))
if "fork" in sys.argv:
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(write)
        os.read(read, 1)  # until the parent has ended
        print("child", flush=True)
        sys.stdin.read()
        sys.exit()
print("registered", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(registry: Path, folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(registry), str(folder), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "registered\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def registry(tmp_path: Path) -> ProxyRegistry:
    return ProxyRegistry(tmp_path / "registry")


def claimed(found: Registration | RunningProxy) -> Registration:
    assert isinstance(found, Registration)
    return found


def test_folder_is_for_this_user_alone(registry: ProxyRegistry, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "registry").stat().st_mode) == 0o700
    assert registry.proxies() == []


def test_entry_lasts_as_long_as_its_context(registry: ProxyRegistry, tmp_path: Path) -> None:
    with registry.register(tmp_path) as registration:
        (proxy,) = registry.proxies()
        assert proxy == registration.entry
        assert (proxy.folder, proxy.is_project, proxy.answers) == (str(tmp_path), False, False)
        with registry.locked():
            registration.bound("localhost:8000", [("127.0.0.1", 8000), ("::1", 8000)])
        assert not registry.proxies()[0].answers
        registration.listening(url="http://localhost:8000/", run="ab", services=["web"])
        (proxy,) = registry.proxies()
        assert proxy.answers
        assert proxy.bind == "localhost:8000"
        assert [tuple(each) for each in proxy.addresses] == [("127.0.0.1", 8000), ("::1", 8000)]
        assert list(proxy.services) == ["web"]
    assert registry.proxies() == []


def test_entry_of_a_killed_process_is_removed_by_the_next_reader(
    registry: ProxyRegistry, tmp_path: Path
) -> None:
    with holder(tmp_path / "registry", tmp_path) as process:
        (proxy,) = registry.proxies()
        assert proxy.pid == process.pid
        assert proxy.file.exists()
        process.kill()
        process.wait(PATIENCE_S)
        assert proxy.file.exists()
        assert registry.proxies() == []
        assert not proxy.file.exists()


def test_entry_lasts_until_all_processes_of_the_proxy_have_ended(
    registry: ProxyRegistry, tmp_path: Path
) -> None:
    with holder(tmp_path / "registry", tmp_path, "fork") as process:
        (proxy,) = registry.proxies()
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "child\n"
        assert registry.proxies() == [proxy]
        process.stdin.close()  # the child ends
        assert registry.wait(proxy, lambda present: present is None, PATIENCE_S) is None


def test_nearest_folder_with_a_proxy_is_found(registry: ProxyRegistry, tmp_path: Path) -> None:
    inner = tmp_path / "shop" / "frontend"
    inner.mkdir(parents=True)
    with registry.register(tmp_path) as outer:
        assert registry.around(inner) == outer.entry
        with registry.register(tmp_path / "shop") as nearer:
            assert registry.around(inner) == nearer.entry
            assert registry.around(tmp_path) == outer.entry
        assert registry.around(tmp_path.parent) is None


def test_link_to_a_folder_leads_to_its_proxy(registry: ProxyRegistry, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with registry.register(tmp_path / "link") as registration:
        assert registration.entry.folder == str(tmp_path / "real")
        assert registry.around(tmp_path / "real") == registration.entry


def test_project_of_a_folder_is_found_before_other_proxies(
    registry: ProxyRegistry, tmp_path: Path
) -> None:
    with (
        registry.register(tmp_path),
        claimed(registry.claim(tmp_path)) as project,
        registry.register(tmp_path),
    ):
        assert registry.around(tmp_path) == project.entry


def test_second_claim_of_a_folder_returns_its_proxy(
    registry: ProxyRegistry, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with registry.register(tmp_path), claimed(registry.claim(tmp_path)) as first:
        assert registry.claim(tmp_path) == first.entry
        with claimed(registry.claim(tmp_path / "other")):
            assert len(registry.proxies()) == 3
    with claimed(registry.claim(tmp_path)):
        pass


def test_wait_returns_the_last_entry_at_its_timeout(
    registry: ProxyRegistry, tmp_path: Path
) -> None:
    with registry.register(tmp_path) as registration:
        assert registry.wait(registration.entry, lambda _: False, 0) == registration.entry


def test_entry_of_another_version_is_skipped(registry: ProxyRegistry, tmp_path: Path) -> None:
    with registry.register(tmp_path) as registration:
        registration.entry.file.write_text('{"folder": "/", "color": "red"}')
        assert registry.proxies() == []
        assert registration.entry.file.exists()


def test_branch_of_the_folder_is_recorded(registry: ProxyRegistry, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/cart\n")
    with registry.register(tmp_path) as registration:
        assert registration.entry.branch == "cart"


def test_folder_that_cannot_be_made_raises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        ProxyRegistry(tmp_path / "file" / "registry")
