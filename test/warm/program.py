"""What a small program for a comparison is."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """`changed` are files that are written anew before the second start. `keep`: not preloaded."""

    files: dict[str, str]
    words: tuple[str, ...] = ("{python}", "main.py", "one", "two three")
    environment: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    changed: dict[str, str] = field(default_factory=dict)
