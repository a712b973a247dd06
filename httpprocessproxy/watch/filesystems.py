"""Which file systems send no events, or none for what another machine writes (proc(5)).

Containers on macOS and Windows, virtual machines, WSL and network shares are among them: the
files change elsewhere, and this kernel never hears of it.
"""

import os
import re
from pathlib import Path
from typing import Final

from httpprocessproxy.core.change.paths import is_within

_MOUNTS: Final = Path("/proc/self/mountinfo")
_WITHOUT_EVENTS: Final = frozenset(
    {
        *("9p", "drvfs", "virtiofs", "vboxsf", "prl_fs", "vmhgfs"),
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "afs", "ceph", "davfs"),
    }
)


def without_events(root: Path) -> str | None:
    """The type of the file system at or below `root` that sends no events, if there is one."""
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:  # not Linux
        return None
    return first_without_events(os.path.realpath(root), mounts)


def first_without_events(root: str, mountinfo: str) -> str | None:
    """The same, from the text of /proc/self/mountinfo; `root` is absolute, without links."""
    types = dict(map(_mount, mountinfo.splitlines()))
    above = max((point for point in types if is_within(root, point)), key=len, default="/")
    within = [point for point in types if is_within(point, root)]
    return next((types[one] for one in [above, *within] if _is_mute(types.get(one, ""))), None)


def _mount(line: str) -> tuple[str, str]:
    """A line's mount point and type; the later of two mounts at one point covers the other."""
    before, _, after = line.partition(" - ")
    point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
    return point, after.split()[0]


def _is_mute(kind: str) -> bool:
    # fuse-overlayfs is the root of a rootless container: what it holds changes inside.
    is_fuse = kind == "fuse" or kind.startswith("fuse.")
    is_foreign = is_fuse and kind != "fuse.fuse-overlayfs"
    return is_foreign or kind in _WITHOUT_EVENTS
