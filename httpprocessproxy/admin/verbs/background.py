"""`hpp up -d`: a project in the background, whose output goes to a file in the state folder."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.admin.client import MAX_WAIT_S, NoProxyError, sentence
from httpprocessproxy.admin.verbs.again import project_here
from httpprocessproxy.admin.verbs.finding import FoundProxy, exit_status, found
from httpprocessproxy.admin.verbs.words import show
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.registry import ProxyRegistry, pauses
from httpprocessproxy.system.user_folders import state_folder

_TAIL_BYTES: Final = 2000


@dataclass(frozen=True, slots=True)
class StartedProxy:
    """A proxy in the background; `is_new` unless it ran before."""

    proxy: FoundProxy
    is_new: bool


def up_in_background(argv: Sequence[str]) -> int:
    """Start a project, wait until its services have settled, and print its URL and their states."""
    as_json = "--json" in argv
    started = start_in_background([word for word in argv if word not in ("-d", "--json")])
    entry = started.proxy.entry
    assert entry is not None, "a project registers itself"
    services = started.proxy.services(MAX_WAIT_S)
    lines = [f"{each['name']}: {sentence(each)}" for each in services]
    title = entry.url if started.is_new else f"runs already: {entry.url}"
    content = {"url": entry.url, "is_new": started.is_new, "services": services}
    show("\n".join((title, *lines)), content, as_json=as_json)
    return exit_status(services) if started.is_new else 0


def start_in_background(words: Sequence[str]) -> StartedProxy:
    """Start `hpp up` with further words, and return once it listens, or an earlier one does.

    Raises UserError if it fails, with its last line, NoProxyError and OSError.
    """
    registry = ProxyRegistry.open()
    if not words and (project := project_here()) is not None:
        return StartedProxy(found(project), is_new=False)
    try:
        folder = state_folder()
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{os.getpid()}.log"
        output = log.open("wb")
    except (OSError, RuntimeError) as error:
        raise NoProxyError(f"no file for the output can be written: {error}") from error
    with output:
        process = subprocess.Popen(
            [sys.executable, "-m", "httpprocessproxy", "up", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return _wait_for_start(registry, process, log)
    except BaseException:  # also for Ctrl+C
        process.terminate()
        raise
    finally:
        log.unlink(missing_ok=True)


def _wait_for_start(
    registry: ProxyRegistry, process: subprocess.Popen[bytes], log: Path
) -> StartedProxy:
    """Raises UserError and NoProxyError."""
    for pause_s in pauses():
        if process.poll() is not None:
            break
        for entry in registry.proxies():
            if entry.pid == process.pid and entry.answers:
                # One file for each folder, of its last run.
                with suppress(OSError):
                    log.replace(log.with_name(f"{entry.folder.replace('/', '%')[-200:]}.log"))
                return StartedProxy(found(entry), is_new=True)
        time.sleep(pause_s)
    text = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    if process.returncode == 0:
        for entry in registry.proxies():
            if entry.is_project and entry.url and text.endswith(entry.url):
                return StartedProxy(found(entry), is_new=False)
    raise UserError(text.rpartition("\n")[2].partition(": ")[2] or "it ended at once")
