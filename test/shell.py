"""A shell in a folder: commands of the program, and the processes that they leave running."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

from test import processes
from test.deadline import PATIENCE_S, eventually

Finished = subprocess.CompletedProcess[str]


class Shell:
    """Runs commands in a folder, with a registry of running proxies below `state`."""

    def __init__(self, folder: Path, state: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.mark = str(uuid.uuid4())
        self.environment = {
            **os.environ,
            processes.MARK: self.mark,
            "XDG_RUNTIME_DIR": str(state),
            "XDG_STATE_HOME": str(state / "state"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.environment.pop("PYTHONASYNCIODEBUG", None)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `hpp` with these words."""
        return subprocess.Popen(
            [sys.executable, "-m", "httpprocessproxy", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hpp(self, *words: str) -> Finished:
        """Run `hpp` with these words to its end."""
        process = self.start(*words)
        try:
            output, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        return Finished(process.args, process.returncode, output, errors)

    def processes(self) -> dict[int, str]:
        """The processes that the commands have left, without Watchman."""
        found = processes.marked(self.mark)
        return {pid: line for pid, line in found.items() if "watchman" not in line}

    def assert_empty(self) -> None:
        eventually(lambda: not self.processes())

    def end(self) -> None:
        """Kill what is left, by pid."""
        processes.kill_marked(self.mark)
        self.assert_empty()
