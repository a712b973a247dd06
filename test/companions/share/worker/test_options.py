"""The options of a share: the name, the token, and the URLs of the settings."""

from pathlib import Path

import pytest

from httpprocessproxy.companions.share.worker.options import ShareOptions, random_name
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.hosts import parse_authority


@pytest.fixture(autouse=True)
def _no_name_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FPW_HOST", raising=False)


def file(folder: Path, text: str) -> Path:
    path = folder / "token"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("relay", "name", "url", "call"),
    [
        ("https://r.test", "demo", "https://demo.r.test/", "https://r.test/server-client"),
        ("https://r.test:443/", "demo", "https://demo.r.test/", "https://r.test/server-client"),
        ("http://r.test:81/x/", "a.b", "http://a.b:81/", "http://r.test:81/x/server-client"),
        ("http://[::1]:81", "a.b", "http://a.b:81/", "http://[::1]:81/server-client"),
    ],
)
def test_public_url_and_call_url_follow_from_relay_and_name(
    relay: str, name: str, url: str, call: str
) -> None:
    settings = ShareOptions(relay, name).settings()
    assert (settings.public_url, str(settings.call_url)) == (url, call)


def test_name_is_read_from_the_token_file(tmp_path: Path) -> None:
    wish = ShareOptions(
        "https://r.test", token_file=file(tmp_path, "# ours\n\ndemo  s3cret # it is\n")
    )
    settings = wish.settings()
    assert (settings.host, settings.token) == ("demo.r.test", "s3cret")


def test_name_is_taken_from_option_before_file_before_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FPW_HOST", "env.test")
    both = file(tmp_path, "demo s3cret")
    assert ShareOptions("https://r.test", "mine", both).settings().name == "mine"
    assert ShareOptions("https://r.test", "", both).settings().name == "demo"
    assert ShareOptions("https://r.test").settings().name == "env.test"


def test_port_in_the_environment_s_name_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPW_HOST", "env.r.test:8443")
    assert ShareOptions("https://r.test").settings().host == "env.r.test"


def test_name_and_token_are_random_by_default() -> None:
    one, two = ShareOptions("https://r.test").settings(), ShareOptions("https://r.test").settings()
    assert one.token != two.token
    assert one.name != two.name


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        (ShareOptions("https://r.test", auth="ann"), "--share-auth: not a user"),
        (ShareOptions("https://r.test", allow=("public",)), "--share-allow: not a rule"),
        (ShareOptions("https://r.test", "a b"), "not a name"),
        (
            ShareOptions("https://r.test", token_file=Path("none")),
            "cannot read none: No such",
        ),
    ],
)
def test_invalid_options_raise_user_error(wish: ShareOptions, line: str) -> None:
    with pytest.raises(UserError, match=line):
        wish.settings()


@pytest.mark.parametrize(
    "text", ["", "a b c", "one\ntwo", "demo sha256:" + "0" * 64, "tök", "demo \0"]
)
def test_invalid_token_file_raises_user_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="token"):
        ShareOptions("https://r.test", token_file=file(tmp_path, text)).settings()


def test_random_name_is_a_dns_label() -> None:
    names = {random_name() for _ in range(200)}
    assert len(names) > 190
    for name in names:
        assert len(name) <= 63
        assert name.count("-") == 4
        assert parse_authority(f"{name}.example.test".encode())[0].startswith(name)
