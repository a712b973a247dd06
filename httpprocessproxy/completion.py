"""Completion in shells: a script for each of them, which shtab makes of our parser.

A script, not a question to us at each Tab: it is there at once, and runs none of our code.
"""

from httpprocessproxy.command_line import parser


def completion(shell: str) -> str:
    """The script for one of `SHELLS`, which it is to run or to keep."""
    # Imported where it is needed: no run completes.
    import shtab

    made = parser()
    for action in made._actions:
        if action.metavar in ("FILE", "GLOB"):
            setattr(action, "complete", shtab.FILE)  # noqa: B010 - shtab's own protocol
    return shtab.complete(made, shell)
