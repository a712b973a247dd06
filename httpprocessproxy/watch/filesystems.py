"""File systems without events, or without events for writes of other machines (proc(5)).

Containers on macOS and Windows, virtual machines, WSL and network shares mount them: the files
change on another machine, and the local kernel does not see the writes.
"""

import os
import re
from pathlib import Path
from typing import Final

from httpprocessproxy.core.change.patterns import is_within

_MOUNTS: Final = Path("/proc/self/mountinfo")
_WITHOUT_EVENTS: Final = frozenset(
    {
        *("9p", "drvfs", "virtiofs", "vboxsf", "prl_fs", "vmhgfs"),
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "afs", "ceph", "davfs"),
    }
)


def without_events(root: Path) -> str | None:
    """The type of a file system at or below `root` that sends no events; None without one."""
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:  # not Linux
        return None
    return first_without_events(os.path.realpath(root), mounts)


def first_without_events(root: str, mountinfo: str) -> str | None:
    """`without_events` for the text of /proc/self/mountinfo; `root` is absolute, without links."""
    types = dict(map(_mount, mountinfo.splitlines()))
    above = max((point for point in types if is_within(root, point)), key=len, default="/")
    within = [point for point in types if is_within(point, root)]
    return next((types[one] for one in [above, *within] if _is_mute(types.get(one, ""))), None)


def _mount(line: str) -> tuple[str, str]:
    """The mount point and the type in a line; the later of two mounts at one point wins."""
    before, _, after = line.partition(" - ")
    point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
    return point, after.split()[0]


def _is_mute(kind: str) -> bool:
    # fuse-overlayfs is the root of a rootless container: its files change on this machine.
    is_fuse = kind == "fuse" or kind.startswith("fuse.")
    is_foreign = is_fuse and kind != "fuse.fuse-overlayfs"
    return is_foreign or kind in _WITHOUT_EVENTS
