"""Warm starts (`--preload`): a fork server has already imported a Python program's libraries.

preloading.py decides whether a start is warm. manager.py keeps a fork server ready in the
background. libraries.py watches the imported libraries: after a change, the fork server is
replaced. record_cache.py stores the list of imports for the next session.

command.py finds the Python program in a command (flags.py, pyenv.py). record.py records the
modules that its first, cold run loads. fork_server.py starts a fork server with that record, and
requests the backend's next process from it (fork_process.py, watched_process.py,
captured_output.py). inside/ runs in the backend's interpreter: bootstrap.py sends its files there
as text, and they are never imported here.
"""

from httpprocessproxy.warm.command import PythonCommand
from httpprocessproxy.warm.fork_server import ForkError, ForkServer, Stdio
from httpprocessproxy.warm.libraries import interpreter_of
from httpprocessproxy.warm.preloading import Preloading
from httpprocessproxy.warm.record import ImportRecord, Recording
from httpprocessproxy.warm.record_cache import RecordCache, cache_folder, key_of

__all__ = [
    "ForkError",
    "ForkServer",
    "ImportRecord",
    "Preloading",
    "PythonCommand",
    "RecordCache",
    "Recording",
    "Stdio",
    "cache_folder",
    "interpreter_of",
    "key_of",
]
