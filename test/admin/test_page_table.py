"""The table of pages: paths with named segments, and methods."""

import pytest

from httpprocessproxy.admin.page_table import PageTable
from httpprocessproxy.system.page_server import PageRequest, PageResponse


async def one(request: PageRequest) -> PageResponse:
    return PageResponse(200)


async def other(request: PageRequest) -> PageResponse:
    return PageResponse(202)


def test_page_has_a_handler_for_each_of_its_methods() -> None:
    pages = PageTable()
    pages.add_get("/_hpp/status", one)
    pages.add_get("/_hpp/{name}/output", one)
    pages.add_post("/_hpp/{name}/output", other)
    assert pages.find("/_hpp/status") == ({"GET": one, "HEAD": one}, {})
    handlers = {"GET": one, "HEAD": one, "POST": other}
    assert pages.find("/_hpp/web/output") == (handlers, {"name": "web"})


@pytest.mark.parametrize("path", ["/_hpp/%73tatus", "/%5fhpp/status"])
def test_path_is_compared_decoded(path: str) -> None:
    pages = PageTable()
    pages.add_get("/_hpp/status", one)
    assert pages.find(path)[0]


def test_named_segment_is_decoded_and_may_hold_a_slash() -> None:
    pages = PageTable()
    pages.add_get("/a/{name}", one)
    assert pages.find("/a/x%2Fy%20z")[1] == {"name": "x/y z"}


@pytest.mark.parametrize("path", ["/a", "/a/", "/a/x/", "/a/x/y", "//a/x", "/a//x", "*", ""])
def test_other_path_has_no_page(path: str) -> None:
    pages = PageTable()
    pages.add_get("/a/{name}", one)
    assert pages.find(path) == ({}, {})
