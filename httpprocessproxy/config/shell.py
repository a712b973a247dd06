"""Shell syntax in a command: `sh` runs such a command, and any other starts without a shell."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

# A variable in front of a command, which only a shell sets.
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
# Quoted text, in which only double quotes leave the shell something to expand.
_QUOTED: Final = re.compile(r"'[^']*'|\\.|\"(?P<double>(?:\\.|[^\"\\])*)\"")
_OPERATORS: Final = re.compile(r"[|&;<>()`\n]|\$[\w{(@*#?!$-]|(?:^|\s)#|[*?~]|\[[^\]]")
_EXPANDED_IN_QUOTES: Final = re.compile(r"`|(?<!\\)\$[\w{(@*#?!$-]")
_WORD: Final = re.compile(r"\|\|?|&&?|;|[0-9]?(?:>>?|<)|[0-9]>&[0-9]|\$\w+|\$\{\w+\}")
# Words that a shell executes itself.
_BUILT_IN: Final = frozenset(
    {"cd", "exec", "export", "if", "for", "while", "case", "source", ".", "set", "unset", "ulimit"}
    | {"umask", "trap", "eval", "{", "!", "until", "alias"}
)


def needs_shell(command: str) -> bool:
    """Whether a shell would do more with a command than to split it into words."""
    double = [match["double"] for match in _QUOTED.finditer(command) if match["double"]]
    if any(_EXPANDED_IN_QUOTES.search(text) for text in double):
        return True
    bare = _QUOTED.sub("x", command)
    if _OPERATORS.search(bare):
        return True
    first = bare.split(maxsplit=1)[:1]
    return any(word in _BUILT_IN or _ASSIGNMENT.match(word) for word in first)


def shell_word(words: Sequence[str]) -> str:
    """A word of a command that only a shell would act on, or "".

    The command was split without a shell, so its quotes are gone: only a whole word tells.
    """
    if words and (_ASSIGNMENT.match(words[0]) or words[0] in _BUILT_IN):
        return words[0]
    return next((word for word in words if _WORD.fullmatch(word)), "")


def words_of(command: str) -> tuple[str, ...]:
    """The words to execute for a line of shell. Raises ValueError for an open quote."""
    if not needs_shell(command):
        return tuple(shlex.split(command))
    shlex.split(command)  # an open quote is an error here, and not at the start
    return ("sh", "-c", command)
