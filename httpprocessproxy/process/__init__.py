"""The backend as processes: start it, read it, end all of it, know who holds its port.

spawn.py starts one generation as recipe.py says (for `--asgi`, asgi.py), in the directory of
folder.py; child.py waits for it and stops it, tree.py finds and ends what escaped from it.
output.py copies what it prints to a sink.py, screen.py knows what that does to a terminal,
mirror.py shows it to pages. terminal.py lends it our terminal, keyboard.py tells our keys from its
own (reading.py: whether it reads any). ports.py knows who listens, inherited.py listens for the
backend, writing.py knows what is being written. guard.py outlives us, should we be killed, and
orphans.py both.
What only Linux has is linux.py.
"""

from httpprocessproxy.process.asgi import asgi_command
from httpprocessproxy.process.child import Child
from httpprocessproxy.process.guard import guarded
from httpprocessproxy.process.inherited import INHERITED_FD, InheritedSocket
from httpprocessproxy.process.keyboard import Keyboard
from httpprocessproxy.process.launch_spec import LaunchSpec
from httpprocessproxy.process.linux import has_proc
from httpprocessproxy.process.open_files import open_for_writing
from httpprocessproxy.process.output import Output
from httpprocessproxy.process.output_text import OutputText
from httpprocessproxy.process.ports import (
    Holder,
    accepting,
    listener,
    listening_in_tree,
    listens_in_tree,
    peer_is_gone,
    wait_until_free,
)
from httpprocessproxy.process.redirects import redirected_output
from httpprocessproxy.process.spawn import Launcher, SpawnError, seal_descriptors
from httpprocessproxy.process.terminal import Terminal
from httpprocessproxy.process.tree import (
    NOT_OURS,
    StopError,
    become_subreaper,
    leftovers,
    members,
    reap_adopted,
    sweep,
)

__all__ = [
    "INHERITED_FD",
    "NOT_OURS",
    "Child",
    "Holder",
    "InheritedSocket",
    "Keyboard",
    "LaunchSpec",
    "Launcher",
    "Output",
    "OutputText",
    "SpawnError",
    "StopError",
    "Terminal",
    "accepting",
    "asgi_command",
    "become_subreaper",
    "guarded",
    "has_proc",
    "leftovers",
    "listener",
    "listening_in_tree",
    "listens_in_tree",
    "members",
    "open_for_writing",
    "peer_is_gone",
    "reap_adopted",
    "redirected_output",
    "seal_descriptors",
    "sweep",
    "wait_until_free",
]
