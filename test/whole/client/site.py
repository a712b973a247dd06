"""A small site behind the program, made by page.py in the project."""

from pathlib import Path

from test.harness import Proxy, backend

PAGES = backend("page_site.py")


def html(title: str, body: str = "") -> str:
    icon = '<link rel="icon" href="data:,">'  # or the browser asks for one
    return f"<!doctype html><title>{title}</title>{icon}<h1>{title}</h1>{body}"


def code(title: str, body: str = "", **more: str) -> str:
    """What page.py holds."""
    pages = {"/": html(title, body)} | {f"/{name}": text for name, text in more.items()}
    return f"PAGES = {pages!r}\n"


def served(project: Path, *options: str, **pages: str) -> Proxy:
    project.mkdir(exist_ok=True)
    (project / "page.py").write_text(code("first", **pages))
    return Proxy(project, PAGES, *options)
