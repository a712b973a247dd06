"""The command line of `python`, as documented in its manual."""

from collections.abc import Sequence

# Options without a value, and options with one.
_ALONE = "bBdEiIOPqRsSuv"
_WITH_VALUE = "WX"


class NotWarmError(Exception):
    """The command cannot be started warm; the text gives the reason."""


def split(words: Sequence[str]) -> tuple[tuple[str, ...], str, str, tuple[str, ...]]:
    """Split the words after `python` into (flags, file, module, arguments). Raises NotWarmError.

    Either the file or the module is "".
    """
    rest = [*words]
    flags: list[str] = []
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        word = rest.pop(0)
        if word == "--check-hash-based-pycs" and rest:
            flags += [word, rest.pop(0)]
        elif module := _module(word, rest, flags):
            return tuple(flags), "", module, tuple(rest)
    if rest[:1] == ["--"]:
        rest.pop(0)
    if not rest or rest[0] == "-":
        raise NotWarmError("Python gets its program from its standard input")
    if rest[0].endswith(".pyc"):
        raise NotWarmError(f"{rest[0]!r} is compiled already")
    return tuple(flags), rest[0], "", tuple(rest[1:])


def _module(word: str, rest: list[str], flags: list[str]) -> str:
    """Parse a word of options, and its value in `rest`; return the module of -m, or ""."""
    for at, letter in enumerate(word[1:], 1):
        if letter in _ALONE:
            continue
        if letter == "m":
            flags += [word[:at]] if at > 1 else []
            return word[at + 1 :] or (rest.pop(0) if rest else "-")
        if letter not in _WITH_VALUE:
            raise NotWarmError(f"'python {word}' runs no file")
        flags += [word] if word[at + 1 :] or not rest else [word, rest.pop(0)]
        return ""
    flags.append(word)
    return ""
