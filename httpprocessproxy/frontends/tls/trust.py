"""`--trust`: adds the local CA to the trust stores of browsers and programs.

The rule: no store is changed before the user has seen the commands and agreed.
"""

import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.tls.certificate_authority import Authority, find_authority
from httpprocessproxy.frontends.tls.folders import home
from httpprocessproxy.frontends.tls.trust_stores import Store, missing

_PACKAGES: Final = {
    "certutil": "libnss3-tools (Debian, Ubuntu), nss-tools (Fedora) or nss (Arch)",
    "sudo": "sudo, or be root",
}

_CHROMIUMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MACOS_CHROME: Final = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

Ask = Callable[[str], bool]
Show = Callable[[str], None]


def trust(show: Show, ask: Ask) -> int:
    """For each store without the CA show the commands, ask, and run them; return the exit status.

    Raises UserError.
    """
    authority = find_authority()
    stores = missing(authority, home())
    show(f"The CA is {authority.name}, in {authority.file}.")
    if not stores:
        show("Everything that was found here trusts it.")
    failed = [store for store in stores if not _offer(store, show, ask)]
    if _is_wsl():
        show(f"For the browsers of Windows, run there: {_windows_command(authority)}")
    return 1 if failed else 0


def trust_command(authority: Authority) -> str:
    """The shell command that makes browsers trust the CA; "" if they trust it already."""
    stores = missing(authority, home())
    for store in stores:
        # Browsers do not read the system's own store.
        if "browsers" in store.owner or "Chromium" in store.owner:
            return " &&\n    ".join(shlex.join(command) for command in store.commands)
    return ""


def chromium_command(bind: Address, spki_hash: str) -> str:
    """The shell command that starts a Chromium which uses HTTP/3 and accepts the key."""
    place = bind.url_of("https")
    authority = place.removeprefix("https://").rstrip("/")
    found = next(filter(None, map(shutil.which, _CHROMIUMS)), _CHROMIUMS[0])
    browser = shlex.quote(_MACOS_CHROME) if sys.platform == "darwin" else found
    return (
        f"{browser} --user-data-dir=$(mktemp -d) --origin-to-force-quic-on={authority} "
        f"--ignore-certificate-errors-spki-list={spki_hash} {place}"
    )


def _offer(store: Store, show: Show, ask: Ask) -> bool:
    """Show and run the commands of a store, if the user agrees; False if a command fails."""
    show(f"\nFor {store.owner}:\n{store}")
    if not ask("Run this?"):
        return True
    return all(_run(command, show) for command in store.commands)


def _run(command: Sequence[str], show: Show) -> bool:
    if shutil.which(command[0]) is None:
        package = _PACKAGES.get(command[0], command[0])
        raise UserError(f"{command[0]} is missing: install {package}")
    status = subprocess.run(command, check=False).returncode
    if status:
        show(f"{command[0]} failed: exit status {status}")
    return not status


def _is_wsl() -> bool:
    return "microsoft" in platform.release().lower()


def _windows_command(authority: Authority) -> str:
    return f'certutil.exe -user -addstore Root "$(wslpath -w {shlex.quote(str(authority.file))})"'
