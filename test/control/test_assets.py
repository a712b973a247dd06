"""The files we serve are those we say they are."""

import hashlib
import importlib.resources

from httpprocessproxy.control.assets import livereload_js


def test_livereload_js_is_the_published_file() -> None:
    digest = hashlib.sha256(livereload_js()).hexdigest()
    assert digest == "b9dc43ff0d45ec389c249407ade68932837dcbe928dd6c49a09005c30fef5860"


def test_livereload_js_is_read_once() -> None:
    assert livereload_js() is livereload_js()


def test_its_licence_lies_beside_it() -> None:
    folder = importlib.resources.files("httpprocessproxy.control") / "static"
    licence = (folder / "livereload.LICENSE").read_text()
    assert "Andrey Tarantsov" in licence
    assert "Permission is hereby granted" in licence
