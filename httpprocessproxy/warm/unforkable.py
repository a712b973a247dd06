"""What is never preloaded, because a fork would find it other than a fresh process does.

inside/preloading.py finds out about a module that starts a thread or a process at its import,
opens a descriptor, or imports something of the project. Here are those of which nothing shows. It
is a short list, and the documentation has it too.
"""

from typing import Final

# They replace parts of the standard library, and have to come before whatever uses those.
REPLACING: Final = frozenset({"eventlet", "gevent"})

# Tools that look at all that is imported or executed after them; and what asks the terminal, and
# remembers its answers. The C library of gRPC does not survive a fork.
UNFIT: Final = frozenset({"coverage", "debugpy", "pydevd", "readline", "_readline", "grpc"})
