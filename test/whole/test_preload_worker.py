"""--preload of a worker: without a port, it is ready as soon as its process runs."""

import sys
from pathlib import Path

from test.deadline import eventually
from test.harness import Project

WORKER = """
import json, sys, time
import flask
print("version 1", flush=True)
time.sleep(1000)
"""

TABLES = f"""
[service.worker]
exec = "{sys.executable} worker.py"
watch = "worker.py"
preload = true
"""


def test_worker_starts_warm_once_its_imports_are_known(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "worker.py").write_text(WORKER)
    with Project(project, TABLES) as proxy:
        proxy.wait_output("version 1")

        def is_preloaded() -> bool:
            preload = proxy.service("worker")["preload"]
            assert preload is not None
            assert preload["off"] is None, preload
            return preload["ready"] and (preload["modules"] or 0) > 20

        eventually(is_preloaded)
        proxy.save("worker.py", WORKER.replace("version 1", "version 2"))
        proxy.wait_output("version 2")
        start = proxy.wait_service("worker", after=1)["last_start"]
        assert start is not None
        assert start["warm"]
