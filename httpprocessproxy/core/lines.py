"""What has happened, in lines for a person: messages of the feed in, text for the terminal out.

One line for what matters: that the server runs (again), and how long that took; that it has ended,
and why. The steps between are for those who debug.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

Message = Mapping[str, object]

INFO: Final = "info"
WARNING: Final = "warning"
ERROR: Final = "error"

# What happens to a chain when all goes well.
_GOOD_HOPS = ("delivered", "ended", "would go")
_STAGES = ("drain", "stop", "start", "ready")
_UNITS = ("B", "kB", "MB", "GB")


def level(message: Message) -> str:
    """How much it matters: a notice is a warning, unless it says otherwise."""
    if message["type"] == "notice":
        return str(message.get("level", WARNING))
    if message["type"] == "hop":
        return INFO if message["outcome"] in _GOOD_HOPS else WARNING
    return ERROR if message.get("state") == "error" else INFO


class Lines:
    """Makes lines of messages; it has to see all of them, in order."""

    def __init__(self, *, debug: bool = False) -> None:
        self._debug = debug
        self._entered_ms = 0.0
        self._cause = ""

    def of(self, message: Message) -> Sequence[str]:
        """The lines that tell of it, often none. Terminals obey nothing in them."""
        return [printable(line) for line in self._raw(message)]

    def _raw(self, message: Message) -> Sequence[str]:
        match message["type"]:
            case "state":
                return [*(_steps(message) if self._debug else ()), *self._state(message)]
            case "notice":
                return [str(message["text"])]
            case "refresh":
                return [f"refreshed: {enumeration(_texts(message['paths']))}"]
            case "request" if message["ended"]:
                return [_request(message)]
            case "visit":
                return [_visit(message)]
            case "hop":
                return [_hop(message)]
        return []

    def _state(self, message: Message) -> Sequence[str]:
        lasted_ms = _number(message["at_ms"]) - self._entered_ms
        self._entered_ms = _number(message["at_ms"])
        match message["state"], message["restart"]:
            case "running", {"total_ms": float(total_ms)}:
                paths = _texts(message["paths"])
                told = f"restarted in {duration(total_ms)}{_warm(message)}"
                return [f"{told}: {enumeration(paths) or self._cause}"]
            case "running", _:
                return [f"started in {duration(lasted_ms)}"]
            case "error", _ if message["returncode"] is None:
                return [f"{message['reason']}; waiting for a change"]
            case "error", _:
                return [f"{message['why']}: waiting for a change"]
        if message["from"] != "killing":
            self._cause = str(message["why"]).removeprefix("restart ")
        return []


def _warm(message: Message) -> str:
    """That it was a warm start, and what that has saved."""
    match message.get("start"):
        case {"warm": True, "saved_ms": float(saved_ms)} if saved_ms > 0:
            return f" (warm, {duration(saved_ms)} saved)"
        case {"warm": True}:
            return " (warm)"
    return ""


def _request(message: Message) -> str:
    """A request that is over, with what was unusual about it."""
    status, outcome, sent = message["status"], message["outcome"], _number(message["sent"])
    words = [
        *(str(message["method"]), str(message["target"]), str(status or "-")),
        *(duration(_number(message["duration_ms"])), size(_number(message["bytes"]))),
    ]
    held_ms = _number(message["held_ms"])
    remarks = [
        f"held {duration(held_ms)}" if held_ms >= 1 else "",
        "sent again" if sent > 1 else "",
        "replayed" if message["replay_of"] else "",
        str(outcome),
    ]
    said = ", ".join(remark for remark in remarks if remark)
    return " ".join(words) + (f" ({said})" if said else "")


def _visit(message: Message) -> str:
    """A visit from outside that is over; without a status, its visitor left."""
    words = [message["client"], message["method"], message["target"], message["status"] or "-"]
    return f"visit {' '.join(map(str, words))} {duration(_number(message['duration_ms']))}"


def _hop(message: Message) -> str:
    """What has happened to a chain, by its Id."""
    words = ["hop", message["chain"] or "-", message["outcome"], message["method"], message["url"]]
    words.append(message["status"] or "")
    if message["duration_ms"] is not None:
        words.append(duration(_number(message["duration_ms"])))
    if _number(message["tries"]) > 1:
        words.append(f"({message['tries']} tries)")
    said = f": {message['text']}" if message["text"] else ""
    return " ".join(str(word) for word in words if word) + said


def enumeration(names: Collection[str], shown: int = 1) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - shown
    first = ", ".join(list(names)[:shown])
    return f"{first} and {more} more" if more > 0 else first


def duration(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"


def size(count_bytes: float) -> str:
    """In units of 1000, as browsers show it."""
    for unit in _UNITS:
        if count_bytes < 1000 or unit == _UNITS[-1]:
            break
        count_bytes /= 1000
    return f"{count_bytes:.0f} {unit}" if unit == "B" else f"{count_bytes:.1f} {unit}"


def printable(text: str) -> str:
    """The text with its control characters written out: names of files may be anybody's."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _steps(message: Message) -> Sequence[str]:
    """The transition by the names of its states, and the stages of a restart that is over."""
    before, after = str(message["from"]).upper(), str(message["state"]).upper()
    lines = [f"{before} -> {after} ({message['why']})"] if before else []
    match message["state"], message["restart"]:
        case "running", dict(restart):
            stages = [(stage, restart[f"{stage}_ms"]) for stage in _STAGES]
            known = [f"{stage} {duration(ms)}" for stage, ms in stages if ms is not None]
            lines.append(f"stages: {', '.join(known)}")
    return lines


def _texts(value: object) -> Sequence[str]:
    assert isinstance(value, list | tuple), f"a list of texts: {value!r}"
    return [str(item) for item in value]


def _number(value: object) -> float:
    assert isinstance(value, int | float), f"a number: {value!r}"
    return value
