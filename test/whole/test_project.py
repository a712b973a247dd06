"""A whole project behind one origin: Django with PostgreSQL, a worker with Redis, and Vite.

Six processes, of a file of services as in the manual: its commands are those of this machine.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from test.browser import OVERLAY, Visit, open_browser
from test.companions.archive.postgres import ACCOUNT, installed
from test.deadline import PATIENCE_S, eventually
from test.harness import BACKENDS, Project, http_connection
from test.pressure import workers

ROOT = Path(__file__).resolve().parents[2]
VITE = ROOT / ".cache" / "vite" / "node_modules"

TABLES = """
env = {{DATABASE_URL = "postgresql://shop@127.0.0.1:{{db.port}}/postgres", \
QUEUE_URL = "redis://127.0.0.1:{{queue.port}}"}}

[task.migrate]
exec  = "{python} manage.py migrate -v 0"
needs = "db"
watch = "**/migrations/*.py"

[service.db]
exec  = "{postgres} -D {data} -k {data} -h 127.0.0.1 -p {{port}} -F"
ready = "log:ready to accept"

[service.queue]
exec  = "redis-server --port {{port}} --save ''"

[service.api]
exec    = "{python} manage.py runserver --noreload {{port}}"
route   = ["/api/**", "/admin/**"]
needs   = ["migrate", "queue"]
watch   = "shop/*.py"
before  = "{python} -m compileall -q shop"
preload = true

[service.worker]
exec  = "{rq} worker --url redis://127.0.0.1:{{queue.port}} --quiet -c shop.tasks"
needs = ["migrate", "queue"]
watch = "shop/*.py"
stop  = "TERM 10s"

[service.web]
exec  = "{vite} --port {{port}} --strictPort"
dir   = "frontend"
route = "/**"
"""


@pytest.fixture(scope="module")
def database() -> Iterator[tuple[str, str]]:
    """The command of a PostgreSQL server, and its data in a folder that is empty so far."""
    # PostgreSQL refuses to run as root, and other users cannot enter pytest's folder.
    account = ACCOUNT if os.geteuid() == 0 else None
    become = f"runuser -u {account} -- " if account is not None else ""
    with tempfile.TemporaryDirectory(prefix="hpp-pg-", dir="/tmp") as made:
        if account is not None:
            shutil.chown(made, account)
        options = ("-A", "trust", "-U", "shop", "-E", "UTF8", "--locale=C", "--no-sync")
        subprocess.run(
            [installed("initdb"), "-D", f"{made}/data", *options],
            user=account,
            cwd=made,
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        yield f"{become}{installed('postgres')}", f"{made}/data"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, database: tuple[str, str]) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("shop") / "project"
    shutil.copytree(BACKENDS / "project", folder)
    (folder / "frontend" / "node_modules").symlink_to(VITE)
    postgres, data = database
    text = TABLES.format(
        python=sys.executable,
        postgres=postgres,
        data=data,
        rq=Path(sys.executable).with_name("rq"),
        vite=VITE / ".bin" / "vite",
    )
    with Project(folder, text) as project:
        for name in ("migrate", "db", "queue", "api", "worker", "web"):
            project.wait_service(name)
        yield project


def read(project: Project, target: str) -> object:
    response = project.get(target)
    assert response.status == 200, response
    content: object = json.loads(response.body)
    return content


def test_routes_lead_to_services_of_one_origin(shop: Project) -> None:
    assert read(shop, "/api/version") == {"version": "1"}
    assert b"/@vite/client" in shop.get("/").body
    assert read(shop, "/api/orders") == {"orders": []}


def test_worker_and_api_share_queue_and_database(shop: Project) -> None:
    with closing(http_connection(shop)) as connection:
        connection.request("POST", "/api/orders?key=first")
        assert connection.getresponse().status == 201
    eventually(lambda: read(shop, "/api/orders") == {"orders": [["first", True]]})


def test_page_of_vite_calls_the_api_and_updates_in_place(shop: Project) -> None:
    with open_browser() as context:
        visit = Visit(context, shop.url)
        page = visit.page
        expect(page.locator("#version")).to_have_text("1")
        page.evaluate("window.kept = true")
        shop.save("frontend/greeting.js", "export const greeting = 'bonjour'\n")
        expect(page.locator("#greeting")).to_have_text("bonjour")
        assert page.evaluate("window.kept"), "the page was reloaded"

        with_error = shop.project / "shop" / "version.py"
        generation = shop.service("api")["generation"]
        loads = visit.loads
        with_error.write_text("VERSION = '2'\nraise RuntimeError('out of stock')\n")
        expect(page.locator(OVERLAY)).to_contain_text("api")
        expect(page.locator(OVERLAY)).to_contain_text("out of stock")
        with_error.write_text("VERSION = '2'\n")
        shop.wait_service("api", after=generation)
        expect(page.locator(OVERLAY)).to_have_count(0)
        expect(page.locator("#version")).to_have_text("2")
        visit.rest()
        assert visit.loads - loads <= 2, "more than one reload for a save"


@pytest.mark.parametrize(
    ("saves", "gets"), [(3, 20), pytest.param(30, 2000, marks=pytest.mark.slow)]
)
def test_saves_lose_no_get_and_run_no_post_twice(shop: Project, saves: int, gets: int) -> None:
    """GETs of both routed services and POSTs during saves of the API's code."""
    answers: Counter[str] = Counter()
    numbers = itertools.count()
    asked: set[str] = set()

    def get(number: int, done: threading.Event) -> None:
        targets = itertools.cycle(("/api/version", "/main.js"))
        with closing(http_connection(shop)) as connection:
            while not (done.is_set() and answers.total() >= gets):
                target = next(targets)
                connection.request("GET", target)
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
                answers[target] += 1

    def order(number: int, done: threading.Event) -> None:
        with closing(http_connection(shop)) as connection:
            while not done.is_set():
                key = f"load-{saves}-{next(numbers)}"
                connection.request("POST", f"/api/orders?key={key}")
                response = connection.getresponse()
                body = response.read()
                assert response.status == 201, body
                asked.add(key)
                done.wait(0.05)

    with workers(4, get), workers(1, order):
        for number in range(saves):
            generation = shop.service("api")["generation"]
            shop.save("shop/version.py", f"VERSION = 'load {number}'\n")
            shop.wait_service("api", after=generation)
    assert min(answers["/api/version"], answers["/main.js"]) > 10
    found = read(shop, "/api/orders")
    assert isinstance(found, dict)
    stored = [key for key, _ in found["orders"] if key.startswith(f"load-{saves}-")]
    assert sorted(stored) == sorted(asked)
    # Each restart of the worker waits for its job: no order stays unpacked.
    eventually(lambda: "false" not in json.dumps(read(shop, "/api/orders")), PATIENCE_S)


def test_migration_runs_again_and_holds_those_that_need_it(shop: Project) -> None:
    generation = shop.service("migrate")["generation"]
    api = shop.service("api")["generation"]
    shop.save(
        "shop/migrations/0002_note.py",
        "from django.db import migrations, models\n\n\n"
        "class Migration(migrations.Migration):\n"
        "    dependencies = [('shop', '0001_orders')]\n"
        "    operations = [migrations.AddField('Order', 'note', models.TextField(default=''))]\n",
    )
    assert read(shop, "/api/version")
    shop.wait_service("migrate", after=generation)
    assert shop.service("api")["generation"] == api, "the API was restarted"
