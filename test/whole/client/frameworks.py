"""React, Vue and htmx as published, for pages of tests; `test/run.sh` puts them into `.cache`."""

import shutil
from pathlib import Path

from test.harness import Proxy
from test.whole.client.site import PAGES

_PUBLISHED = Path(__file__).parents[3] / ".cache" / "frameworks"

REACT_16 = ("react@16.14.0.js", "react-dom@16.14.0.js")
REACT_18 = ("react@18.3.1.js", "react-dom@18.3.1.js")
VUE_3 = ("vue.global.js",)
HTMX_2 = ("htmx-2.js",)
HTMX_4 = ("htmx-4.js",)


def scripts(names: tuple[str, ...], code: str) -> str:
    """The script elements that load a framework and then run `code`."""
    loads = [f'<script src="/{name}"></script>' for name in names]
    return "".join([*loads, f"<script>{code}</script>"])


def served_with(project: Path, names: tuple[str, ...], *options: str, page: str) -> Proxy:
    for name in names:
        shutil.copy(_PUBLISHED / name, project)
    (project / "page.py").write_text(page)
    return Proxy(project, PAGES, *options)
