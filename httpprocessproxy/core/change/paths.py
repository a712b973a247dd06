"""Paths as texts, `/`-separated and without `.` and `..`. No I/O."""


def is_within(path: str, folder: str) -> bool:
    """Whether it is the folder, or anywhere below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
