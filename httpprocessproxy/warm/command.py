"""The Python program in a command: its interpreter, flags, file or module, and arguments.

A console script is resolved to the interpreter in its first line, as the kernel and `env` do.
"""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from httpprocessproxy.warm.flags import NotWarmError, split
from httpprocessproxy.warm.pyenv import behind_shim, is_shim

_PYTHON = re.compile(r"python[0-9.]*")
# The kernel cuts longer first lines.
_FIRST_LINES_BYTES = 512


@dataclass(frozen=True, slots=True)
class PythonCommand:
    """A command in the form `python FLAGS FILE ...` or `python FLAGS -m MODULE ...`.

    `interpreter` is the program to execute and argv[0], as the kernel or `env` would set it.
    Exactly one of `file` and `module` is not empty. `arguments` is sys.argv[1:]. `environment` has
    the variables that a pyenv shim changes, which apply to each start. The program runs in
    `folder`, or in the proxy's working directory.
    """

    interpreter: str
    flags: tuple[str, ...]
    file: str = ""
    module: str = ""
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @classmethod
    def of(cls, words: Sequence[str], environment: Mapping[str, str], cwd: Path) -> "Self | str":
        """Parse a command, or return one line with the reason why it cannot be started warm.

        Reads the first lines of a script to find its interpreter. Resolving a pyenv shim runs it,
        which takes a tenth of a second; anything else takes no time. Raises nothing.
        """
        added: dict[str, str] = {}
        try:
            plain = _interpreted([*words], environment, cwd, added)
            flags, file, module, arguments = split(plain[1:])
        except NotWarmError as error:
            return str(error)
        return cls(plain[0], flags, file, module, arguments, added)

    @property
    def words(self) -> tuple[str, ...]:
        """The complete command: `interpreter`, flags and program."""
        return (self.interpreter, *self.flags, *self.program)

    @property
    def program(self) -> tuple[str, ...]:
        """The command without the interpreter and its flags."""
        target = (self.file,) if self.file else ("-m", self.module)
        return (*target, *self.arguments)

    def start(self, stub: str) -> tuple[str, ...]:
        """The command that runs `stub` instead; the program's words are shown by `ps`."""
        return (self.interpreter, *self.flags, "-c", stub, *self.program)

    @property
    def inside(self) -> tuple[str, str, list[str], list[str]]:
        """The `Command` of inside/running.py."""
        return (self.file, self.module, [*self.arguments], [*self.words])


def _interpreted(
    words: list[str], environment: Mapping[str, str], cwd: Path, added: dict[str, str]
) -> list[str]:
    """Resolve scripts and shims: the first word returned is an interpreter.

    Variables that a shim changes are added to `added`. Raises NotWarmError.
    """
    name = os.path.basename(words[0])
    path = _which(words[0], environment, cwd)
    first, second = _first_lines(path)
    if is_shim(path, first, second):
        real, changes = behind_shim(path, environment, cwd)
        added.update(changes)
        return _interpreted([real, *words[1:]], {**environment, **changes}, cwd, added)
    if not first.startswith(b"#!"):
        if _PYTHON.fullmatch(name):
            return words
        raise NotWarmError(f"{words[0]!r} is not a Python program")
    found = _shebang(first, second)
    if not _PYTHON.fullmatch(os.path.basename(found[0])):
        raise NotWarmError(f"{words[0]!r} is a script of {found[0]!r}, not of Python")
    # The kernel passes the path by which it found the script, which becomes sys.argv[0].
    script = words[0] if os.path.dirname(words[0]) else path
    return _interpreted([*found, script, *words[1:]], environment, cwd, added)


def _which(word: str, environment: Mapping[str, str], cwd: Path) -> str:
    if os.path.dirname(word):
        return word if os.path.isabs(word) else os.path.join(cwd, word)
    path = shutil.which(word, path=environment.get("PATH", os.defpath))
    if path is None:
        raise NotWarmError(f"there is no {word!r}")
    return path


def _first_lines(path: str) -> tuple[bytes, bytes]:
    try:
        with open(path, "rb") as file:
            lines = file.read(_FIRST_LINES_BYTES)
    except OSError as error:
        raise NotWarmError(f"cannot read {path}: {error.strerror}") from error
    first, _, rest = lines.partition(b"\n")
    return first, rest


def _shebang(first: bytes, rest: bytes) -> list[str]:
    """The command that the kernel, `env`, or the shell of a trampoline script executes."""
    words = os.fsdecode(first[2:]).strip().split(maxsplit=1) or [""]
    program = os.path.basename(words[0])
    if program == "env" and len(words) > 1:
        return _after_env(words[1])
    if program == "sh" and rest.startswith(b"'''exec' "):
        # pip and uv write this if the path is too long for a first line, or contains a space.
        line = os.fsdecode(rest.partition(b"\n")[0])
        return [word for word in shlex.split(line.removeprefix("'''exec'")) if word[:1] != "$"]
    return words


def _after_env(argument: str) -> list[str]:
    if argument.startswith("-S"):
        return shlex.split(argument[2:])
    return [argument]
