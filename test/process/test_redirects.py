"""The files that our own output goes to."""

import subprocess
import sys
from pathlib import Path

SHOW = """
import sys
from pathlib import Path
from httpprocessproxy.process import redirected_output
Path("answer").write_text(repr(redirected_output(Path(sys.argv[1]))))
"""


def redirected(directory: Path, stdout: Path, stderr: Path) -> str:
    with stdout.open("wb") as out, stderr.open("wb") as err:
        command = [sys.executable, "-c", SHOW, str(directory)]
        subprocess.run(command, cwd=directory, stdout=out, stderr=err, check=True)
    return (directory / "answer").read_text()


def test_files_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    assert (
        redirected(tmp_path, tmp_path / "logs/[out]", tmp_path / "err") == "['err', 'logs/[out]']"
    )


def test_a_file_elsewhere_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    shown = redirected(tmp_path / "project", tmp_path / "out", Path("/dev/null"))
    assert shown == "[]"
