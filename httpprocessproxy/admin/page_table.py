"""The table of the site's pages: a handler by path and method."""

from collections.abc import Mapping
from urllib.parse import unquote

from httpprocessproxy.system.page_server import Handler


class PageTable:
    """The handlers of pages by method and path; a segment `{name}` of a path matches any one."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, ...], dict[str, Handler]] = {}

    def add_get(self, path: str, handler: Handler) -> None:
        """Add a page for GET and HEAD."""
        self._add(path, GET=handler, HEAD=handler)

    def add_post(self, path: str, handler: Handler) -> None:
        self._add(path, POST=handler)

    def find(self, path: str) -> tuple[Mapping[str, Handler], Mapping[str, str]]:
        """The handlers of a path by method, none of an unknown path, and its named segments."""
        segments = tuple(map(unquote, path.split("/")))
        for template, handlers in self._pages.items():
            if len(template) == len(segments) and all(
                one == other or (one.startswith("{") and other)
                for one, other in zip(template, segments, strict=True)
            ):
                pairs = zip(template, segments, strict=True)
                return handlers, {one[1:-1]: other for one, other in pairs if one.startswith("{")}
        return {}, {}

    def _add(self, path: str, **handlers: Handler) -> None:
        self._pages.setdefault(tuple(path.split("/")), {}).update(handlers)
