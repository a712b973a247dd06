"""A site whose answers are given word for word, and whose files are as old as a test wants."""

import itertools
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from test.harness import Proxy, backend

# An answer: its status, or None for a file's, its fields, its body.
Answer = tuple[int | None, Mapping[str, str], str]

DAY_S = 86400.0


def answering(project: Path, answers: Mapping[str, Answer], *options: str) -> Proxy:
    project.mkdir(exist_ok=True)
    (project / "answers.json").write_text(json.dumps(answers))
    return Proxy(project, backend("answers_site.py"), *options)


_seconds = itertools.count()


def write(path: Path, text: str, *, changed: float | None = None) -> None:
    """Save a file that was changed at this time; by default, a month ago.

    Each by default in a second of its own: Last-Modified has no finer one (RFC 9110 section 5.6.7).
    """
    temporary = path.with_name(f".{path.name}.swp")
    temporary.write_text(text)
    time_s = time.time() - 30 * DAY_S + next(_seconds) if changed is None else changed
    os.utime(temporary, (time_s, time_s))
    temporary.replace(path)
