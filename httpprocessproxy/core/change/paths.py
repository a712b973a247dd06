"""Paths as strings, `/`-separated and without `.` and `..`. No I/O."""


def is_within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies anywhere below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
