"""Completion in shells: one script for each shell, which shtab makes from the parser.

A static script completes at once, while calling the program at each Tab would be slow. After --exec
it completes the server's command, and no options of the proxy.
"""

import argparse
from collections.abc import Iterable
from typing import Final

from httpprocessproxy.config.command_line import TABLE
from httpprocessproxy.config.options import COMMAND, PROGRAM

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
    # In fish an option takes one word; for the further words, complete files.
    "fish": f"complete -c {PROGRAM} -n 'contains -- --exec (commandline -opc)' -F\n"
}


# The short name of the program, with the verbs as its first word.
_SHORT: Final = {
    "bash": """\
_hpp() {
  if [ "$COMP_CWORD" = 1 ] && [ "${COMP_WORDS[1]:0:1}" != - ]; then
    COMPREPLY=($(compgen -W "VERBS" -- "${COMP_WORDS[1]}"))
  else
    _shtab_http_process_proxy
  fi
}
complete -o bashdefault -F _hpp hpp
""",
    "fish": """\
complete -c hpp -w http-process-proxy
complete -c hpp -n 'test (count (commandline -opc)) = 1' -f -a 'VERBS'
""",
    # Only where the script is evaluated: as a file of fpath it completes one program.
    "zsh": """\
if [[ $zsh_eval_context[-1] == eval ]]; then
  _hpp() {
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
      compadd VERBS
    else
      _shtab_http_process_proxy
    fi
  }
  compdef _hpp hpp
fi
""",
}


def completion(shell: str, verbs: Iterable[str] = ()) -> str:
    """The completion script for one of `SHELLS`; `verbs` are the first words of `hpp`."""
    # Imported lazily: a run of the proxy does not need it.
    import shtab

    made = TABLE.parser()
    for action in made._actions:
        if action.dest == COMMAND.field:
            action.nargs = argparse.REMAINDER
            # In zsh, "*::" marks an option that takes all remaining words.
            action.metavar = "*::command" if shell == "zsh" else action.metavar
            _complete(action, _COMMAND)
        elif action.metavar in ("FILE", "GLOB"):
            _complete(action, shtab.FILE)
        elif action.choices is not None and action.metavar is None:
            # shtab shows the dest, which is the path of a field, in place of the option's name.
            action.metavar = action.option_strings[-1].removeprefix("--")
    script = shtab.complete(made, shell, preamble=_BEFORE.get(shell, ""))
    short = _SHORT[shell].replace("VERBS", " ".join(verbs))
    return f"{script}\n{_AFTER.get(shell, '')}{short}"


def _complete(action: argparse.Action, how: object) -> None:
    setattr(action, "complete", how)  # noqa: B010 - shtab reads it; argparse does not declare it
