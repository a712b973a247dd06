"""Warm starts: a process that has a Python program's libraries loaded already, and forks it.

command.py finds the Python program in a command. record.py learns from its first, cold run what it
loads. server.py starts the fork server with that, and asks it for the backend's next process. What
runs in the backend's own interpreter is in inside/: it is sent there as text, never imported.
"""

from httpprocessproxy.process.warm.command import PythonCommand
from httpprocessproxy.process.warm.record import Record, Recording
from httpprocessproxy.process.warm.server import ForkError, ForkServer, Stdio

__all__ = ["ForkError", "ForkServer", "PythonCommand", "Record", "Recording", "Stdio"]
