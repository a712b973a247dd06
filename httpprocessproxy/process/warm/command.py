"""The Python program in a command: which interpreter, with which flags, runs what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class PythonCommand:
    """`python FLAGS FILE ...` or `python FLAGS -m MODULE ...`, however it was written.

    `interpreter` is the word that is executed, as the kernel or `env` would (argv[0] included);
    exactly one of `file` and `module` is not empty. `arguments` is sys.argv[1:].
    `environment` is what a pyenv shim adds to the environment.
    """

    interpreter: str
    flags: tuple[str, ...]
    file: str = ""
    module: str = ""
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, words: Sequence[str], environment: Mapping[str, str], cwd: Path) -> "Self | str":
        """Understand a command, or say in a line why it cannot be started warm.

        Reads the first lines of a script to find its interpreter. A pyenv shim is asked what it
        stands for, which takes a tenth of a second; all else takes no time. Raises nothing.
        """
        raise NotImplementedError
