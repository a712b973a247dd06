"""A PostgreSQL server for the tests: a temporary cluster that listens only on a Unix socket."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from test.deadline import PATIENCE_S, eventually

_USER: Final = "archive"
# The user that Debian's package creates; PostgreSQL refuses to run as root.
ACCOUNT: Final = "postgres"
_names = itertools.count()


class Cluster:
    """A running server with a separate database for each test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def database(self) -> str:
        """Create an empty database, and return its URL."""
        name = f"archive{next(_names)}"
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return f"postgresql://{_USER}@/{name}?host={self._folder}"

    def sql(self, command: str, database: str) -> str:
        """Run a command in psql, and return its output."""
        to = ("-h", str(self._folder), "-U", _USER, "-d", database)
        done = subprocess.run(
            [installed("psql"), "-XAtq", *to, "-c", command],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def is_up(self) -> bool:
        to = ("-h", str(self._folder), "-U", _USER, "-d", "postgres", "-q")
        return subprocess.run([installed("pg_isready"), *to], check=False).returncode == 0


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a server, and stop it at the end."""
    account = ACCOUNT if os.geteuid() == 0 else None
    # Outside of pytest's folder: the user cannot enter its parents, and its path is too long for
    # a Unix socket.
    with tempfile.TemporaryDirectory(prefix="hpp-pg-", dir="/tmp") as made:
        folder = Path(made)
        if account is not None:
            shutil.chown(folder, account)
        data = str(folder / "data")
        options = ("-A", "trust", "-U", _USER, "-E", "UTF8", "--locale=C", "--no-sync")
        subprocess.run(
            [installed("initdb"), "-D", data, *options],
            user=account,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen(
                [installed("postgres"), "-D", data, "-k", made, "-h", "", "-F"],
                user=account,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            running = Cluster(folder)
            eventually(running.is_up)
            yield running
        finally:
            server.send_signal(signal.SIGINT)  # SIGTERM would wait for all clients to disconnect
            server.wait(PATIENCE_S)


def installed(name: str) -> str:
    """The path of a PostgreSQL program; Debian installs them by version, outside of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    program = str(found[-1]) if found else shutil.which(name)
    assert program, f"{name} is not installed: see test/run.sh"
    return program
