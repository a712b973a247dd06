"""Static files: their contents and sizes."""

import gzip
import hashlib
import importlib.resources

import pytest

from httpprocessproxy.admin.assets import (
    client_js,
    dashboard_css,
    dashboard_html,
    dashboard_js,
    livereload_js,
    without_comments,
)


def test_livereload_js_is_the_published_file() -> None:
    digest = hashlib.sha256(livereload_js().body).hexdigest()
    assert digest == "b9dc43ff0d45ec389c249407ade68932837dcbe928dd6c49a09005c30fef5860"


def test_client_js_has_all_parts_and_starts_last() -> None:
    folder = importlib.resources.files("httpprocessproxy.admin") / "static" / "client"
    parts = [part.read_text("utf-8") for part in folder.iterdir()]
    text = client_js().body.decode()
    assert all(without_comments(part) in text for part in parts)
    start = without_comments((folder / "start.js").read_text("utf-8"))
    assert text.rstrip().endswith(start.rstrip() + "\n\n})();")


def test_dashboard_has_all_its_parts() -> None:
    folder = importlib.resources.files("httpprocessproxy.admin") / "static" / "dashboard"
    parts = [part.read_text("utf-8") for part in folder.iterdir() if part.name.endswith(".js")]
    text = dashboard_js().body.decode()
    assert all(without_comments(part) in text for part in parts)
    assert dashboard_css().body == (folder / "dashboard.css").read_bytes()
    assert dashboard_html() == (folder / "dashboard.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("source", "served"),
    [
        ("a;\n  b; // why\n", "a;\nb;\n"),
        ("  // why\n  a;", "\na;"),
        ("a = `\n  // b\n    c\n  `;\n  d;", "a = `\n  // b\n    c\n  `;\nd;"),
        ("  a(`b`); // `c`\n  d;", "a(`b`);\nd;"),
        ("// one ` alone\n  a;", "\na;"),
        ("  'http://a';", "'http://a';"),
        ("  a('b // c', \"d // e\");", "a('b // c', \"d // e\");"),
        ("  a; // isn't `b`\n  c;", "a;\nc;"),
    ],
)
def test_comments_and_indentation_are_removed(source: str, served: str) -> None:
    assert without_comments(source) == served


def test_template_literals_of_client_js_are_unchanged() -> None:
    folder = importlib.resources.files("httpprocessproxy.admin") / "static" / "client"
    layer = (folder / "layer.js").read_text("utf-8")
    style_sheet = layer[layer.index("`\n") : layer.index("\n`;")]
    assert "\n  :host {" in style_sheet
    assert style_sheet in client_js().body.decode()


def test_client_js_is_small() -> None:
    """Every page loads it."""
    assert len(gzip.compress(client_js().body)) < 15 * 1024


def test_livereload_js_is_read_once() -> None:
    assert livereload_js() is livereload_js()


def test_livereload_js_has_its_licence_beside_it() -> None:
    folder = importlib.resources.files("httpprocessproxy.admin") / "static"
    licence = (folder / "livereload.LICENSE").read_text()
    assert "Andrey Tarantsov" in licence
    assert "Permission is hereby granted" in licence
