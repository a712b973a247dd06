"""File systems without events: a table of mounts, and the mounts of this machine."""

from pathlib import Path

import pytest

from httpprocessproxy.watch.filesystems import first_without_events, without_events

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:30 / /mnt/c rw,noatime - 9p drvfs rw,dirsync,aname=drvfs;path=C:\
31 22 0:31 / /app rw - fuse.grpcfuse grpcfuse rw
32 31 8:1 /volumes/x /app/node_modules rw shared:5 master:2 - ext4 /dev/sda1 rw
33 22 0:33 / /home/me/with\040space rw - nfs4 server:/x rw
34 22 0:34 / /srv rw - virtiofs share rw
35 34 0:35 / /srv rw - tmpfs covers rw
36 22 0:36 / /over rw - overlay overlay rw
37 22 0:37 / /rootless rw - fuse.fuse-overlayfs fuse-overlayfs rw
38 36 0:38 / /over/src rw - cifs //server/x rw
39 22 0:39 / /bound rw - fuse bindfs rw
40 22 8:2 / /disk rw - fuseblk /dev/sdb1 rw
""".strip()


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        ("/", "9p"),
        ("/home/me", "nfs4"),
        ("/home/me/project", None),
        ("/home/me/with space", "nfs4"),
        ("/home/me/with space/deep/er", "nfs4"),
        ("/home/me/with space2", None),
        ("/mnt/c/project", "9p"),
        ("/mnt/cc", None),
        ("/app", "fuse.grpcfuse"),
        ("/app/node_modules/x", None),
        ("/srv/x", None),
        ("/over", "cifs"),
        ("/over/lib", None),
        ("/rootless/x", None),
        ("/bound/x", "fuse"),
        ("/disk/x", None),  # a disk of this machine
    ],
)
def test_first_file_system_without_events_at_or_below_the_root_is_found(
    root: str, kind: str | None
) -> None:
    assert first_without_events(root, MOUNTS) == kind


def test_empty_list_of_mounts_has_no_file_system_without_events() -> None:
    assert first_without_events("/x", "") is None


def test_mounts_of_this_machine_are_read() -> None:
    # /proc belongs to the kernel: a mount below it cannot be of a remote type.
    assert without_events(Path("/proc/self")) is None
