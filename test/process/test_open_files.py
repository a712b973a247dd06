"""Which files a child has open for writing."""

import subprocess
import sys
from pathlib import Path

import pytest

from httpprocessproxy.process import open_for_writing, tree

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


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's /proc")
def test_what_the_tree_of_a_child_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / name for name in ("read", "written", "by its child", "other", "link")]
    for file in files[:4]:
        file.touch()
    files[4].symlink_to("written")
    files.append(tmp_path / "missing")
    command = [sys.executable, "-c", WRITER, *map(str, files[:3])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert open_for_writing(files) == set(), "it is no backend"
        monkeypatch.setattr(tree, "living", {process.pid})
        found = open_for_writing(files)
        process.communicate()
    # A link and its target are one file; either may be named.
    assert found - {tmp_path / "link", tmp_path / "written"} == {tmp_path / "by its child"}
    assert len(found) == 2
    assert open_for_writing(files) == set()
