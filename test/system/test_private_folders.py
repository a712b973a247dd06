"""Private folders: only those of killed runs are removed by another run."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from httpprocessproxy.system.private_folders import (
    lasting_name,
    private_folder,
    remove_dead_folders,
)

KILLED = """
import os, signal
from httpprocessproxy.system.private_folders import private_folder
with private_folder() as folder:
    (folder / "tickets.db").touch()
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def make_old(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (0, 0))


def test_folder_of_a_killed_run_is_removed() -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True)
    folder = Path(done.stdout.strip())
    remove_dead_folders()
    assert folder.exists(), "it may be about to be locked"
    make_old(folder)
    remove_dead_folders()
    assert not folder.exists()


def test_folder_of_a_live_run_stays() -> None:
    with private_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        make_old(folder)
        remove_dead_folders()
        assert folder.exists()
    assert not folder.exists()


def test_folders_of_other_programs_and_users_stay(temporary: Path) -> None:
    other = temporary / "hpp-other"
    other.mkdir()
    (other / "file").touch()
    make_old(other)
    remove_dead_folders()
    assert other.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="a name beside the file needs /proc")
def test_name_of_a_socket_outlives_its_file() -> None:
    with private_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = folder / "socket"
        listener.bind(str(path))
        listener.listen()
        with lasting_name(path) as name:
            shutil.rmtree(folder)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(name)
                accepted, _ = listener.accept()
                accepted.close()
        assert not Path(name).exists()
