"""A site with responses that the test gives, and files with times that the test gives."""

import itertools
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from test.harness import Proxy, backend

# A response: its status (None: the response is that of a file), its fields, its body.
Answer = tuple[int | None, Mapping[str, str], str]

DAY_S = 86400.0


def answering(project: Path, answers: Mapping[str, Answer], *options: str) -> Proxy:
    project.mkdir(exist_ok=True)
    (project / "answers.json").write_text(json.dumps(answers))
    return Proxy(project, backend("answers_site.py"), *options)


_seconds = itertools.count()


def write(path: Path, text: str, *, changed: float | None = None) -> None:
    """Save a file with the modification time `changed`; by default, about a month ago.

    The default differs by a second each time, the resolution of Last-Modified (RFC 9110 section
    5.6.7).
    """
    temporary = path.with_name(f".{path.name}.swp")
    temporary.write_text(text)
    time_s = time.time() - 30 * DAY_S + next(_seconds) if changed is None else changed
    os.utime(temporary, (time_s, time_s))
    temporary.replace(path)
