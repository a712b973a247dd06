"""Servers that answer with the files of their project, and the ways in which editors save."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from test.deadline import PATIENCE_S
from test.harness import BACKENDS

SOURCE = BACKENDS / "saved"
PYTHON = sys.executable
NAMES = ("version", "source/version.py", "settings/version.toml", "templates/version.html")
LARGE_BYTES = 200_000

COMMANDS = {
    "http.server": [PYTHON, "servers.py", "plain", "{port}"],
    "django": [PYTHON, "servers.py", "runserver", "--noreload", "{port}"],
    "uvicorn": [PYTHON, "-m", "uvicorn", "--log-level=warning", "--port", "{port}", "servers:asgi"],
    "gunicorn": [PYTHON, "-m", "gunicorn", "--threads=4", "-b", "127.0.0.1:{port}", "servers:wsgi"],
    "node": ["node", "server.js", "{port}"],
    "express": ["node", "express_app.js", "{port}"],
    "go": ["./server", "{port}"],
    "java": ["java", "-XX:TieredStopAtLevel=1", "Server", "{port}"],
}

# Commands that build a server, once, in a folder that is then copied into its project.
BUILDS = {
    "express": ["npm", "install", "--no-audit", "--no-fund", "--silent", "express"],
    "go": ["go", "build", "-o", "server", str(SOURCE / "server.go")],
    "java": ["javac", "-d", ".", str(SOURCE / "Server.java")],
}


def build(name: str, folder: Path) -> Path:
    """Build a server in a folder, unless it has been built there before; return the folder."""
    if name in BUILDS and not folder.exists():
        folder.mkdir()
        subprocess.run(BUILDS[name], cwd=folder, check=True, timeout=PATIENCE_S * 10)
    return folder


def lay_out(project: Path, built: Path) -> None:
    """Fill a project with version 0 and with all servers, including the built one."""
    shutil.copytree(SOURCE, project, dirs_exist_ok=True)
    if built.exists():
        shutil.copytree(built, project, dirs_exist_ok=True, symlinks=True)
    (project / "static").mkdir()
    (project / "static" / "large").write_bytes(b"x" * LARGE_BYTES)
    for name in NAMES:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("0")


# Saves


def write(file: Path, text: str) -> None:
    file.write_text(text)


def write_in_pieces(file: Path, text: str) -> None:
    """Write the file in two pieces: it is empty, then partly written, then complete."""
    with file.open("w", buffering=1) as opened:
        for piece in (text[:1], text[1:]):
            opened.flush()
            opened.write(piece)


def rename(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.swp")
    temporary.write_text(text)
    temporary.replace(file)


def keep_backup(file: Path, text: str) -> None:
    """Rename the old file to a backup before writing: for a moment the file does not exist."""
    backup = file.with_name(f"{file.name}~")
    file.replace(backup)
    file.write_text(text)
    backup.unlink()


def write_over(file: Path, text: str) -> None:
    """Overwrite the file in place: it is never empty, and its size seldom changes."""
    with file.open("r+") as opened:
        opened.write(text)


def write_with_others(file: Path, text: str) -> None:
    """Save several files, one of them in a new folder; the file of the version is the last."""
    folder = file.with_name("new")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "a.py").write_text(text)
    file.with_name("b.py").write_text(text)
    file.write_text(text)


SAVES: list[Callable[[Path, str], None]] = [
    write,
    write_in_pieces,
    rename,
    keep_backup,
    write_over,
    write_with_others,
]


def save(project: Path, version: int, chance: random.Random) -> None:
    """Save a random one of the files that the servers read, in a random one of the ways above."""
    chance.choice(SAVES)(project / chance.choice(NAMES), str(version))


def version_of(body: bytes) -> int | None:
    """The last save that the server had seen when it started.

    None if it started during a save, and found a file empty or missing: the end of that save starts
    it again, and a watcher that polls cannot see that a file is being written.
    """
    versions = body.split()
    return max(map(int, versions)) if len(versions) == len(NAMES) else None
