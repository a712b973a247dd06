"""Files that we serve. `static/livereload.js` is dist/livereload.min.js of the npm package
livereload-js 4.0.2, unchanged; its licence lies beside it."""

import functools
import importlib.resources


@functools.cache
def livereload_js() -> bytes:
    """Read livereload.js when it is first asked for."""
    return (importlib.resources.files(__package__) / "static" / "livereload.js").read_bytes()
