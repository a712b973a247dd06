"""Completion in shells: a script for each of them, which shtab makes of our parser.

A script, not a question to us at each Tab: it is there at once, and runs none of our code. Behind
--exec it is the server's command that is completed, and none of our options.
"""

import argparse
from typing import Final

from httpprocessproxy.config.command_line import parser
from httpprocessproxy.config.options import PROGRAM

_COMMAND: Final = {
    "bash": "_http_process_proxy_command",
    "fish": "(__fish_complete_command)",
    "zsh": "_normal",
}
_BEFORE: Final = {
    "bash": """\
_http_process_proxy_command() {
  local action=-f
  [ "${COMP_WORDS[COMP_CWORD-1]}" = --exec ] && action=-c
  compgen "$action" -- "${COMP_WORDS[COMP_CWORD]}"
}
"""
}
_AFTER: Final = {
    # An option of fish's has one word; for the others, let there be files at least.
    "fish": f"complete -c {PROGRAM} -n 'contains -- --exec (commandline -opc)' -F\n"
}


def completion(shell: str) -> str:
    """The script for one of `SHELLS`, to be evaluated by it."""
    # Imported where it is needed: no run completes.
    import shtab

    made = parser()
    for action in made._actions:
        if action.dest == "command":
            action.nargs = argparse.REMAINDER
            # Zsh's mark of an option that takes all the words to come.
            action.metavar = "*::command" if shell == "zsh" else action.metavar
            _complete(action, _COMMAND)
        elif action.metavar in ("FILE", "GLOB"):
            _complete(action, shtab.FILE)
    return shtab.complete(made, shell, preamble=_BEFORE.get(shell, "")) + _AFTER.get(shell, "")


def _complete(action: argparse.Action, how: object) -> None:
    setattr(action, "complete", how)  # noqa: B010 - where shtab looks; argparse has no such field
