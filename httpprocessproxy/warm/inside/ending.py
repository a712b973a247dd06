"""The last lines of the text: the program runs from here, so that only this is below its frames."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from httpprocessproxy.warm.inside.running import Command, Trimmed, program

    # The line before this file says it.
    command: Command = ("", "", [], [])

try:
    call, arguments = program(command)
    call(*arguments)
except SystemExit:
    raise
except BaseException:
    sys.excepthook = Trimmed(sys.excepthook)
    raise
# The interpreter ends as it always does. First it forgets the file that it ran.
if call is exec:
    for name in ("__file__", "__cached__"):
        sys.modules["__main__"].__dict__.pop(name, None)
