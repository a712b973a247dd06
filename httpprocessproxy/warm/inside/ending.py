"""The last lines of the text: the program runs from here, with only this frame below its own."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from httpprocessproxy.warm.inside.running import Command, Trimmed, program

    # bootstrap.py puts it before this file.
    command: Command = ("", "", [], [])

try:
    call, arguments = program(command)
    call(*arguments)
except SystemExit:
    raise
except BaseException:
    sys.excepthook = Trimmed(sys.excepthook)
    raise
# Before its usual end, the interpreter forgets the file that it ran.
if call is exec:
    for name in ("__file__", "__cached__"):
        sys.modules["__main__"].__dict__.pop(name, None)
