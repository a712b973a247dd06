"""The import of MODULE:APP: applications, factories and user errors."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpprocessproxy.asgi.loading import load
from httpprocessproxy.core.errors import UserError

SOURCE = """
async def app(scope, receive, send): ...

class Shop:
    async def __call__(self, scope, receive, send): ...

class inner:
    app = Shop()

def make(): return app
def make_none(): return None
text = "text"
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shop_web.py").write_text(SOURCE)
    (tmp_path / "shop_broken.py").write_text("import nothing_of_the_kind")
    (tmp_path / "shop_wrong.py").write_text("1 / 0")
    yield tmp_path
    for name in ("shop_web", "shop_broken", "shop_wrong"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "is_factory"),
    [("shop_web:app", False), ("shop_web:inner.app", False), ("shop_web:make", True)],
)
def test_application_is_imported_or_made_by_its_factory(text: str, is_factory: bool) -> None:
    assert callable(load(text, is_factory=is_factory))


@pytest.mark.parametrize(
    ("text", "is_factory", "reason"),
    [
        ("shop_web", False, "write MODULE:APP"),
        ("off", False, "write MODULE:APP"),
        ("shop_none:app", False, "no module 'shop_none'"),
        ("shop_none.web:app", False, "no module 'shop_none'"),
        ("shop_web:none", False, "'shop_web' has no 'none'"),
        ("shop_web:inner.none", False, "'shop_web' has no 'inner.none'"),
        ("shop_web:text", False, "cannot be called"),
        ("shop_web:make", False, "add --factory"),
        ("shop_web:make_none", True, "not an application"),
    ],
)
def test_text_that_names_no_application_is_a_user_error(
    text: str, is_factory: bool, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        load(text, is_factory=is_factory)


@pytest.mark.parametrize(
    ("text", "error"),
    [("shop_broken:app", ModuleNotFoundError), ("shop_wrong:app", ZeroDivisionError)],
)
def test_exception_of_the_module_is_not_caught(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        load(text, is_factory=False)
