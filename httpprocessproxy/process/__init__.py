"""The backend as a tree of child processes: start it, copy its output, end it, find its port.

spawn.py starts a generation as launch_spec.py describes it (env_file.py reads `--env-file`, asgi.py
makes the command of `--asgi`, placeholder_values.py has the values for its placeholders, folder.py
follows the working directory). child.py waits for the process and stops it; tree.py finds the
orphans of a service (ownership.py, marks.py), and ending.py ends them. output.py is the output of a
service; output_copier.py copies it to a sink.py in a thread (copying_thread.py, output_streams.py),
as output_view.py decides: the lines of all services with their names (labels.py,
prefixed_lines.py), or one service alone. screen.py tracks the terminal's state, message_printer.py
prints the proxy's lines, output_text.py batches the output for web pages. terminal.py gives each
generation a pseudo-terminal; typed_keys.py passes keys on, and keyboard.py separates shortcuts from
them; with terminal_reads.py, input_waits.py finds breakpoints. ports.py (sock_diag.py,
tcp_sockets.py) finds listeners and free ports, reserved_port.py keeps one of these, inherited.py
holds the listening socket of `--socket`, open_files.py lists files that are being written. guard.py
cleans up when the program is killed, reaper.py when both are. linux.py wraps /proc and prctl(2).
"""

from httpprocessproxy.process.asgi import asgi_command
from httpprocessproxy.process.child import Child
from httpprocessproxy.process.ending import StopError
from httpprocessproxy.process.guard import guarded
from httpprocessproxy.process.inherited import INHERITED_FD, InheritedSocket
from httpprocessproxy.process.input_waits import InputWaits
from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.launch_spec import LaunchContext, LaunchSpec, in_folder
from httpprocessproxy.process.linux import become_subreaper, has_proc
from httpprocessproxy.process.marks import NOT_OURS
from httpprocessproxy.process.open_files import open_for_writing, redirected_output
from httpprocessproxy.process.output import Output
from httpprocessproxy.process.output_copier import OutputCopier
from httpprocessproxy.process.output_text import OutputText
from httpprocessproxy.process.placeholder_values import PlaceholderValues, worktree_name
from httpprocessproxy.process.ports import (
    Holder,
    accepting,
    listener,
    listening_in_tree,
    listens_in_tree,
    peer_is_gone,
    wait_until_free,
)
from httpprocessproxy.process.signals import signal_name
from httpprocessproxy.process.spawn import Launcher, SpawnError, seal_descriptors
from httpprocessproxy.process.terminal import Terminal
from httpprocessproxy.process.tree import ProcessTree, ProcessTrees

__all__ = [
    "INHERITED_FD",
    "NOT_OURS",
    "Child",
    "Holder",
    "InheritedSocket",
    "InputWaits",
    "Keyboard",
    "LaunchContext",
    "LaunchSpec",
    "Launcher",
    "Output",
    "OutputCopier",
    "OutputText",
    "PlaceholderValues",
    "ProcessTree",
    "ProcessTrees",
    "SpawnError",
    "StopError",
    "Terminal",
    "accepting",
    "asgi_command",
    "become_subreaper",
    "guarded",
    "has_proc",
    "in_folder",
    "listener",
    "listening_in_tree",
    "listens_in_tree",
    "open_for_writing",
    "peer_is_gone",
    "redirected_output",
    "seal_descriptors",
    "signal_name",
    "wait_until_free",
    "worktree_name",
]
