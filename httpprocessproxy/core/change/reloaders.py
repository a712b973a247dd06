"""Detection of the server's own reloader by the words of the command.

With a reloader in between, a crash does not end the process, and each save restarts the server
twice.
"""

from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import Final

# Launchers, and their subcommands: the program follows.
_LAUNCHERS: Final = frozenset(
    {"bunx", "env", "npx", "node", "pipenv", "poetry", "pnpm", "python", "uv", "uvx", "yarn"}
    | {"exec", "run", "bundle", "pdm", "hatch", "dlx"}
)
_RUNTIMES: Final = frozenset({"node", "bun", "deno", "tsx"})
_RUNTIME_FLAGS: Final = ("--watch", "--watch-path", "--hot")

_SERVERS: Final = frozenset({"uvicorn", "gunicorn", "hypercorn", "granian", "litestar", "fastapi"})

# Programs that do nothing but restart another one.
_WATCHERS: Final = frozenset(
    {"nodemon", "node-dev", "ts-node-dev", "supervisor", "air", "reflex", "CompileDaemon"}
    | {"watchexec", "entr", "watchmedo", "rerun", "cargo-watch", "gow", "wgo", "fresh"}
)

# Variables that a reloader sets in the environment of the server it starts.
_DJANGO_MARK: Final = "RUN_MAIN"
_WERKZEUG_MARK: Final = "WERKZEUG_RUN_MAIN"

_DJANGO: Final = "Django's own reloader is on: add --noreload to the command"
_FLASK: Final = "Flask's own reloader is on: add --no-reload to the command"
_WERKZEUG: Final = (
    "Flask's own reloader is on: add --no-reload to the command, or use_reloader=False to app.run()"
)


def own_reloader(words: Sequence[str], variables: Collection[str] = ()) -> str:
    """Detect a reloader by the command's words or the server's environment variables.

    Returns a message with its name and the words to write instead; "" without a reloader.
    """
    if _WERKZEUG_MARK in variables:
        return _WERKZEUG
    if _DJANGO_MARK in variables:
        return _DJANGO
    if not words:
        return ""
    runtime = _name(words[0])
    if runtime in _RUNTIMES and (flag := _flag(words[1:], _RUNTIME_FLAGS)):
        return f"{runtime}'s own reloader is on: leave {flag} out"
    program, rest = _program(words)
    return _of_program(program, rest)


def _of_program(program: str, rest: Sequence[str]) -> str:
    if program in _WATCHERS:
        return f"{program} restarts the server, too: let --exec run the server without it"
    if program == "manage" and "runserver" in rest and "--noreload" not in rest:
        return _DJANGO
    if program in ("django-admin", "django") and "runserver" in rest and "--noreload" not in rest:
        return _DJANGO
    if (
        program in ("flask", "quart")
        and {"run", "--debug"} <= {*rest}
        and "--no-reload" not in rest
    ):
        return (
            _FLASK if program == "flask" else f"{program}'s own reloader is on: leave --debug out"
        )
    if program == "fastapi" and rest[:1] == ["dev"] and "--no-reload" not in rest:
        return "fastapi's own reloader is on: add --no-reload to the command"
    if program in _SERVERS and (flag := _flag(rest, ("--reload",))):
        return f"{program}'s own reloader is on: leave {flag} out"
    if program in ("tsx", "dotnet", "cargo") and rest[:1] == ["watch"]:
        return f"`{program} watch` restarts the server, too: leave watch out"
    return ""


def _program(words: Sequence[str]) -> tuple[str, list[str]]:
    """The name of the program after launchers and options, and the words after it."""
    for at, word in enumerate(words):
        name = _name(word)
        is_assignment = "=" in word and not word.startswith("-")
        if not (word.startswith("-") or is_assignment or name in _LAUNCHERS):
            return name, [*words[at + 1 :]]
    return "", []


def _name(word: str) -> str:
    """The program's name without its folder, a script's suffix and a version."""
    name = PurePath(word).name
    for ending in (".py", ".js", ".mjs", ".cjs", ".exe"):
        name = name.removesuffix(ending)
    return "python" if name.rstrip("0123456789.") in ("python", "pypy") else name


def _flag(words: Sequence[str], flags: Collection[str]) -> str:
    return next((word for word in words if word.partition("=")[0] in flags), "")
