"""Files that are open for writing in a child's process tree, and by redirected output."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from httpprocessproxy.process import linux, open_for_writing

WRITER = """
import os, sys
read = open(sys.argv[1])
written = open(sys.argv[2], "a")
if os.fork() == 0:
    by_child = open(sys.argv[3], "r+")
    print("open", flush=True)
    sys.stdin.read()
os.wait()
"""

SHOW = """
import sys
from pathlib import Path
from httpprocessproxy.process import redirected_output
Path("answer").write_text(repr(redirected_output(Path(sys.argv[1]))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's /proc")
def test_files_written_by_process_tree_are_found(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("read", "written", "by its child", "other", "link")]
    for file in files[:4]:
        file.touch()
    files[4].symlink_to("written")
    files.append(tmp_path / "missing")
    command = [sys.executable, "-c", WRITER, *map(str, files[:3])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        tree = [*linux.descendants(os.getpid(), lambda _: True)]
        assert open_for_writing(list, files) == set(), "not a backend yet"
        found = open_for_writing(lambda: tree, files)
        process.communicate()
    # A link and its target are one file; either may be returned.
    assert found - {tmp_path / "link", tmp_path / "written"} == {tmp_path / "by its child"}
    assert len(found) == 2
    assert open_for_writing(lambda: tree, files) == set()


def redirected(directory: Path, stdout: Path, stderr: Path) -> str:
    with stdout.open("wb") as out, stderr.open("wb") as err:
        command = [sys.executable, "-c", SHOW, str(directory)]
        subprocess.run(command, cwd=directory, stdout=out, stderr=err, check=True)
    return (directory / "answer").read_text()


def test_output_files_in_project_are_found(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    assert (
        redirected(tmp_path, tmp_path / "logs/[out]", tmp_path / "err") == "['err', 'logs/[out]']"
    )


def test_output_file_outside_project_and_device_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    shown = redirected(tmp_path / "project", tmp_path / "out", Path("/dev/null"))
    assert shown == "[]"
