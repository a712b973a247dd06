"""Parsers of option values, the same for all programs, for the command line and for files.

Each raises UserError, whose text names the input and what is valid.
"""

import ipaddress
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from httpprocessproxy.config.address import Address
from httpprocessproxy.config.model import AUTO, NOWHERE, Readiness
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.ip import Network
from httpprocessproxy.core.page.editors import editor_template

T = TypeVar("T")

# Fields that frame a message are excluded: the proxy writes them.
_FIELD = re.compile(
    r"(?!(?i:connection|content-length|transfer-encoding):)"
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~](?:[ -~]*[!-~])?)[ \t]*"
)

_TRUE = ("1", "true", "yes", "on", "y", "t")
_FALSE = ("0", "false", "no", "off", "n", "f", "")

_SECONDS: Final = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600}
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def or_off(read: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: None if text == "off" else read(text)


def boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise UserError(f"not true or false: {text[:100]!r}")


def one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise UserError(f"not a choice: {text!r} ({', '.join(choices)})")
        return text

    return read


def bind(text: str) -> Address:
    """Parse the address of the proxy, or `auto`: a free port of localhost, as does port 0."""
    return AUTO if text == "auto" else Address.parse(text)


def backend(text: str) -> Address:
    """Parse an address, or `auto`: a free port of localhost."""
    if text == "auto":
        return AUTO
    address = Address.parse(text)
    if address.port == 0:
        raise UserError("BACKEND needs a port other than 0 (auto takes a free one)")
    return address


def service_address(text: str) -> Address:
    """Parse the address of a service in a file: as `backend`, or `off`: it listens nowhere."""
    return NOWHERE if text == "off" else backend(text)


def command(text: str) -> tuple[str, ...]:
    """Split a command as a shell does; variables, pipes and the like are plain words."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"{text!r}: {error}") from error


def command_without_shell(text: str) -> tuple[str, ...]:
    """Split a command in which nothing is left for a shell to do."""
    words = command(text)
    # Imported lazily: few runs have such a command.
    from httpprocessproxy.config.shell import shell_word

    if word := shell_word(words):
        raise UserError(f"no shell runs it, for {word!r}: write sh -c '...'")
    return words


def readiness(text: str) -> Readiness:
    """Parse a readiness check: its kind, and for some kinds a detail behind a colon."""
    kind, _, detail = text.partition(":")
    match kind:
        case "http":
            return Readiness(kind, url_path(detail or "/"))
        case "tcp" | "notify" | "start" if not detail:
            return Readiness(kind)
        case "log" if detail:
            return Readiness(kind, text=detail)
        case "exec" if detail.strip():
            return Readiness(kind, command=command(detail))
    raise UserError(
        f"not a readiness check: {text[:100]!r} "
        "(tcp, http:/PATH, log:TEXT, exec:COMMAND, notify or start)"
    )


def field(text: str) -> str:
    """Parse a header field; return it as a line of a response (RFC 9110 section 5)."""
    match = _FIELD.fullmatch(text)
    if match is None:
        raise UserError(f"not a header field: {text!r} (write 'NAME: VALUE')")
    return f"{match[1]}: {match[2]}"


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(f"not a time: {text!r} (a number of seconds, 0 or more)")
    return value


def seconds_or_off(text: str) -> float | None:
    if text == "off":
        return None
    try:
        return seconds(text)
    except UserError:
        raise UserError(f"not a time: {text!r} (a number of seconds, or off)") from None


def milliseconds(text: str) -> float:
    """Parse a time in milliseconds; return seconds, as used everywhere in the program."""
    try:
        return seconds(text) / 1000
    except UserError:
        raise UserError(f"not a time: {text!r} (a number of milliseconds, 0 or more)") from None


def duration(text: str) -> float:
    """Parse a time with a unit, or in seconds; return seconds."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|)", text)
    if match is None:
        raise UserError(f"not a time: {text[:100]!r} (as in 90, 500ms, 10s, 15m or 2h)")
    return float(match[1]) * _SECONDS[match[2]]


def ending(text: str) -> dict[str, object]:
    """Parse the end of a service, a signal and a time until SIGKILL: the fields of both."""
    name, _, time = text.strip().partition(" ")
    found: dict[str, object] = {"restart.kill_signal": signal_name(name)}
    if time:
        found["restart.kill_timeout_s"] = duration(time.strip())
    return found


def size(text: str, units: str = "KMGT") -> int:
    """Parse a size in bytes, or in one of `units`, each of them 1024 of the one before."""
    # re.IGNORECASE would match the sign of the kelvin as a K.
    match = re.fullmatch(f"([0-9]{{1,15}})([{units}{units.lower()}]?)", text)
    if match is None:
        raise UserError(f"not a size: {text[:100]!r} (bytes, or as in 64K, 32M or 1G)")
    return int(match[1]) * _UNITS[match[2].upper()]


def memory_size(text: str) -> int:
    """Parse a size up to gigabytes: a limit of terabytes in memory is a mistake."""
    return size(text, "KMG")


def size_text(count_bytes: int) -> str:
    """A size in the largest unit that divides it, the reverse of `size`."""
    unit = [unit for unit in _UNITS if count_bytes % _UNITS[unit] == 0][-1] if count_bytes else ""
    return f"{count_bytes // _UNITS[unit]}{unit}"


def count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise UserError(f"not a number: {text[:100]!r} (1 or more)")
    return int(text)


def port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or int(text) > 65535:
        raise UserError(f"not a port: {text[:100]!r} (a number from 0 to 65535)")
    return int(text)


def url_path(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or any(c <= " " for c in text):
        raise UserError(f"not a path: {text!r} (it begins with / and has no blanks)")
    return text


def relay(text: str) -> str:
    """Parse an http or https URL of a host, with or without a path, and nothing else."""
    match = re.fullmatch(r"https?://([^\s/?#@\[\]]+|\[[0-9A-Fa-f:.]+\])(/[^\s?#]*)?", text)
    if match is None or not Address.is_authority(match[1]):
        raise UserError(f"not a relay: {text[:100]!r} (for example https://example.org)")
    return text


def application(text: str) -> str:
    """Parse the location of an ASGI application; it is imported only when the server starts."""
    names = text.replace(":", ".", 1).split(".")
    if ":" not in text or not all(name.isidentifier() for name in names):
        raise UserError(
            f"not an application: {text!r} (write MODULE:APP, for example shop.web:app)"
        )
    return text


def editor(text: str) -> str:
    """Check the name or template of an editor, and return it unchanged."""
    editor_template(text, {})
    return text


def signal_name(text: str) -> signal.Signals:
    name = text.upper()
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise UserError(f"unknown signal: {text!r} (for example TERM, INT or KILL)") from None


def network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UserError(f"not a network: {text!r} (for example 10.0.0.0/8 or ::1)") from None


file_or_off = or_off(Path)


def file_text(path: Path, newline: str | None = None) -> str:
    """The content of a text file that an option names; `newline` as in `open`. Raises UserError."""
    try:
        with path.open(encoding="utf-8", newline=newline) as file:
            return file.read()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8") from error
