"""A project of a database, a migration, an API and a worker: starts, saves, failures, and idleness.

The database and the cache listen nowhere: the signs of their readiness are those of real ones.
"""

import json
import sys
import threading
from functools import partial
from pathlib import Path

from test.deadline import eventually
from test.harness import BACKENDS, Project

SMALL = f"{sys.executable} -S {BACKENDS / 'small.py'} {{port}}"
NOTIFYING = (
    "import os, socket, time; sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
    "sock.connect(os.environ['NOTIFY_SOCKET']); sock.send(b'READY=1'); time.sleep(1000)"
)

PROJECT = f"""
[service.api]
exec  = "{SMALL}"
route = "/**"
needs = ["migrate", "cache", "broker"]
watch = "*.py"

[task.migrate]
exec  = "sh -c 'test -e db.up || exit 9; grep -q broken migrations/* && exit 3; echo migrated'"
needs = "db"
watch = "migrations/*"

[service.db]
exec  = "sh -c 'rm -f db.up; sleep 0.1; touch db.up; echo is ready to accept; exec sleep 1000'"
ready = "log:ready to accept"

[service.cache]
exec  = "sh -c 'sleep 0.1; touch cache.up; exec sleep 1000'"
ready = "exec:test -e cache.up"

[service.broker]
exec  = "{sys.executable} -S -c \\"{NOTIFYING}\\""
ready = "notify"

[service.worker]
exec   = "sh -c 'echo works; exec sleep 1000'"
follow = "db"
"""


def has_printed(proxy: Project, text: str, count: int) -> bool:
    return proxy.output.count(text) >= count


def test_services_start_in_the_order_of_needs_and_a_migration_holds_requests(
    project: Path,
) -> None:
    (project / "migrations").mkdir()
    (project / "migrations" / "1.sql").write_text("first")
    with Project(project, PROJECT) as proxy:
        assert proxy.get("/").status == 200  # held until all are ready
        for name in ("db", "cache", "broker", "worker"):
            assert proxy.service(name)["state"] == "running"
        api = proxy.wait_service("api")
        migrate = proxy.service("migrate")
        assert (migrate["task"], migrate["pid"], api["waits_for"]) == (True, None, [])

        statuses: list[int] = []
        is_over = threading.Event()

        def ask() -> None:
            while not is_over.is_set():
                statuses.append(proxy.get("/").status)

        asking = threading.Thread(target=ask)
        asking.start()
        for number in range(2, 7):
            proxy.save("migrations/1.sql", f"migration {number}")
            proxy.wait_service("migrate", after=proxy.service("migrate")["generation"] - 1)
            eventually(partial(has_printed, proxy, "migrated", number))
        is_over.set()
        asking.join()
        assert set(statuses) == {200}
        assert proxy.service("api")["pid"] == api["pid"], "it was not restarted"

        proxy.save("migrations/1.sql", "broken")
        proxy.wait_service("migrate", "error")
        refused = proxy.get("/", Accept="application/json")
        assert refused.status == 503
        assert json.loads(refused.body)["title"] == "api needs migrate"
        assert "exited with status 3" in json.loads(refused.body)["detail"]
        proxy.save("migrations/1.sql", "mended")
        assert proxy.get("/").status == 200
        assert proxy.service("api")["pid"] == api["pid"]


def test_idle_service_stops_and_starts_with_a_request(project: Path) -> None:
    file = f'[service.api]\nexec = "{SMALL}"\nroute = "/**"\nidle = "0.1s"\n'
    with Project(project, file) as proxy:
        for _ in range(2):
            after = proxy.wait_service("api", "idle")["generation"]
            assert proxy.service("api")["pid"] is None
            assert proxy.get("/").status == 200
            proxy.wait_service("api", "idle", after=after)
