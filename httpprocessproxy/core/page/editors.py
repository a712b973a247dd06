"""Links that open a file in an editor, for file names in the output of a crashed backend.

An editor opens such a link if it has registered the URL scheme with the system. No I/O.
"""

import re
from collections.abc import Mapping
from typing import Final

from httpprocessproxy.core.errors import UserError

# {file} is an absolute path, percent-encoded by the page; {line} and {column} count from 1.
_TEMPLATES: Final[Mapping[str, str]] = {
    **{
        name: f"{scheme}://file{{file}}:{{line}}:{{column}}"
        for name, scheme in {
            "code": "vscode",
            "cursor": "cursor",
            "vscode": "vscode",
            "vscode-insiders": "vscode-insiders",
            "vscodium": "vscodium",
            "windsurf": "windsurf",
            "zed": "zed",
        }.items()
    },
    **{
        name: f"{name}://open?file={{file}}&line={{line}}&column={{column}}"
        for name in ("clion", "goland", "idea", "phpstorm", "pycharm", "rubymine", "webstorm")
    },
    **{
        name: f"{scheme}://open?url=file://{{file}}&line={{line}}&column={{column}}"
        for name, scheme in {
            "emacs": "emacs",
            "mvim": "mvim",
            "sublime": "subl",
            "textmate": "txmt",
            "vim": "mvim",
        }.items()
    },
    "none": "",
}

_SCHEME: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*):", re.IGNORECASE)
_PLACE: Final = re.compile(r"\{(.*?)\}")
# Links with these schemes would run in the page, and not open an editor.
_FORBIDDEN_SCHEMES: Final = frozenset(("blob", "data", "javascript"))


def editor_template(choice: str, environment: Mapping[str, str]) -> str:
    """Return the template of links to an editor, or "" for no links.

    `choice` is an editor's name, a custom template, or "" for the editor in whose terminal the
    proxy runs, which `environment` shows. Raises UserError.
    """
    if not choice:
        return _TEMPLATES[_guess(environment)]
    if choice.lower() in _TEMPLATES:
        return _TEMPLATES[choice.lower()]
    if "{file}" not in choice:
        names = ", ".join(sorted(_TEMPLATES))
        raise UserError(f"unknown editor: {choice!r} ({names}, or a URL with {{file}} in it)")
    _check(choice)
    return choice


def _check(template: str) -> None:
    scheme = _SCHEME.match(template)
    if scheme is None or scheme["scheme"].lower() in _FORBIDDEN_SCHEMES:
        raise UserError(
            f"not a link to an editor: {template!r} (such as myedit://{{file}}:{{line}})"
        )
    unknown = set(_PLACE.findall(template)) - {"file", "line", "column"}
    if unknown:
        name = min(unknown)
        raise UserError(f"not known in a link: {{{name}}} ({{file}}, {{line}} and {{column}} are)")


def _guess(environment: Mapping[str, str]) -> str:
    """Return the name of the editor whose terminal this is; some set a variable for it."""
    terminal = environment.get("TERM_PROGRAM", "").lower()
    if terminal == "vscode":
        return "cursor" if "CURSOR_TRACE_ID" in environment else "vscode"
    if environment.get("TERMINAL_EMULATOR", "").startswith("JetBrains"):
        return "idea"
    return "zed" if terminal == "zed" else "none"
