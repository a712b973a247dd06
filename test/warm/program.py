"""A small program whose cold and warm starts are compared."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """A program's files, command and input. `changed`: files replaced before the second start."""

    files: dict[str, str]
    words: tuple[str, ...] = ("{python}", "main.py", "one", "two three")
    environment: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    changed: dict[str, str] = field(default_factory=dict)
