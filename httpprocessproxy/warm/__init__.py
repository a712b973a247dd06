"""Warm starts (`--preload`): a fork server has a Python program's libraries imported already.

preloading.py decides at each start whether it is a warm one. manager.py keeps a fork server ready
in the background. libraries.py watches what was imported: a change makes that server worthless.
record_cache.py keeps the list of imports for the next session.

command.py finds the Python program in a command. record.py learns from its first, cold run which
modules it loads. fork_server.py starts the fork server with that record, and asks it for the
backend's next process. inside/ runs in the backend's own interpreter: its files are sent there as
text and never imported here.
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
