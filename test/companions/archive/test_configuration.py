"""Settings from a file, the environment and options, and their precedence."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest

from httpprocessproxy.companions.archive.command_line import read_line
from httpprocessproxy.companions.archive.configuration import settings
from httpprocessproxy.companions.archive.fetching import Limits
from httpprocessproxy.companions.archive.keys import IGNORED, OPTIONS, key
from httpprocessproxy.companions.archive.service.context import ServiceRules
from httpprocessproxy.companions.archive.settings import ArchiveSettings
from httpprocessproxy.companions.fetch_client import FetchOrigin
from httpprocessproxy.core.errors import UserError

# The keys of the service that this one replaces.
REPLACED_KEYS = {
    *("DEBUG", "HOST", "PORT", "DB_URL", "DB_EXTRAS", "FPX_TRANSPORT", "FPX_NO_QUEUE"),
    *("SIMULTANEOURS_DOWNLOADS_LIMIT", "FPX_PIPE_SILLY_STREAM", "FPX_LOG_LEVEL"),
    *("JWT_ALGORITHM", "KEEP_ALIVE", "CORS_ORIGINS", "FALLBACK_ERROR_FORMAT"),
}

RULES = ArchiveSettings().rules


def test_each_setting_has_exactly_one_key() -> None:
    named = [option.field for option in OPTIONS]
    there = [
        field.name for part in (ArchiveSettings, ServiceRules, Limits) for field in fields(part)
    ]
    assert sorted([*named, "rules", "limits", "fresh_s"]) == sorted(there)
    assert {key(option) for option in OPTIONS} | {*IGNORED} >= REPLACED_KEYS
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_settings_without_sources_are_the_defaults() -> None:
    assert settings({}, {}) == ArchiveSettings()


def test_file_sets_every_key(tmp_path: Path) -> None:
    file = tmp_path / "archive.toml"
    file.write_text(
        """
        debug = true
        HOST = "::1"
        port = 1
        db-url = "sqlite:///x"
        db_extras = { pool_size = 2 }
        fpx_log_level = "debug"
        allow = ["http://a", "https://b:1"]
        cors-origins = ["http://c"]
        jwt_algorithm = "HS512"
        FPX_NO_QUEUE = false
        simultaneours_downloads_limit = 3
        strict = true
        downloads_per_client = 4
        max_items = 5
        max_json = "6K"
        item_size = 7
        total_size = "8g"
        ticket_ttl = 9.5
        wait_time = 10
        stall_time = 11
        item_time = 12
        total_time = 13
        idle_time = 14
        connect_time = 15
        fpx_transport = "httpx"
        keep_alive = false
        fpx_pipe_silly_stream = true
        fallback_error_format = "json"
        """
    )
    assert settings({"config": str(file)}, {}) == ArchiveSettings(
        host="::1",
        port=1,
        debug=True,
        log_level="DEBUG",
        db_url="sqlite:///x",
        db_extras={"pool_size": 2},
        allowed=(FetchOrigin("http", "a", 80), FetchOrigin("https", "b", 1)),
        rules=ServiceRules(
            cors_origins=("http://c",),
            jwt_algorithm="HS512",
            no_queue=False,
            simultaneous=3,
            strict=True,
            downloads_per_client=4,
            max_items=5,
            max_json_bytes=6 * 1024,
            ticket_ttl_s=9.5,
            wait_s=10,
            stall_s=11,
            limits=Limits(
                item_bytes=7,
                total_bytes=8 * 1024**3,
                item_s=12,
                total_s=13,
                idle_s=14,
                connect_s=15,
            ),
        ),
    )


def test_limits_are_in_the_service_options() -> None:
    options = ("--item-size", "1", "--connect-time", "2", "--ticket-ttl", "3", "--queue")
    rules = read_line(["server", "run", *options], {}).settings.service_options.rules
    assert (rules.limits.item_bytes, rules.limits.connect_s) == (1, 2)
    assert (rules.ticket_ttl_s, rules.no_queue) == (3, False)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"FPX_PORT": "1"}, ArchiveSettings(port=1)),
        ({"PORT": "1"}, ArchiveSettings(port=1)),
        ({"FPX_PORT": "1", "PORT": "2"}, ArchiveSettings(port=1)),
        ({"FPX_FPX_NO_QUEUE": "False"}, ArchiveSettings(rules=replace(RULES, no_queue=False))),
        ({"FPX_NO_QUEUE": "false"}, ArchiveSettings(rules=replace(RULES, no_queue=False))),
        ({"FPX_HOST": "localhost"}, ArchiveSettings(host="localhost")),
        ({"HOST": "mybox", "DEBUG": "release"}, ArchiveSettings()),
        (
            {"FPX_ALLOW": "http://a, http://b"},
            ArchiveSettings(allowed=(FetchOrigin("http", "a", 80), FetchOrigin("http", "b", 80))),
        ),
        ({"FPX_CORS_ORIGINS": ""}, ArchiveSettings(rules=ServiceRules(cors_origins=()))),
        ({"DB_EXTRAS": '{"echo": true}'}, ArchiveSettings(db_extras={"echo": True})),
    ],
)
def test_environment_variable_sets_a_key(
    environ: Mapping[str, str], expected: ArchiveSettings
) -> None:
    assert settings({}, environ) == expected


def test_options_override_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "archive.toml"
    file.write_text("port = 1\nmax_items = 1\nstrict = true")
    environ = {"FPX_CONFIG": str(file), "FPX_PORT": "2", "MAX_ITEMS": "2"}
    rules = replace(RULES, max_items=2, strict=True)
    line = read_line(["server", "run", "--port", "3"], environ)
    assert line.settings == ArchiveSettings(port=3, rules=rules)


@pytest.mark.parametrize(
    ("options", "environ", "complaint"),
    [
        (("--port", "x"), {}, "argument --port: not a port: 'x'"),
        ((), {"FPX_NO_QUEUE": "x"}, "FPX_NO_QUEUE: not true or false: 'x'"),
        ((), {"FPX_STRICT": "perhaps"}, "FPX_STRICT: not true or false: 'perhaps'"),
        ((), {"MAX_JSON": "1X"}, "MAX_JSON: not a size: '1X'"),
        ((), {"MAX_JSON": "1\N{KELVIN SIGN}"}, "MAX_JSON: not a size: '1\N{KELVIN SIGN}'"),
        ((), {"MAX_ITEMS": "0"}, "MAX_ITEMS: not a number: '0'"),
        ((), {"ALLOW": "http://a/b"}, "ALLOW: not an origin"),
        ((), {"DB_EXTRAS": "[]"}, "DB_EXTRAS: not an object in JSON"),
        ((), {"JWT_ALGORITHM": "none"}, "JWT_ALGORITHM: not a choice: 'none'"),
        ((), {"FPX_LOG_LEVEL": "x"}, "FPX_LOG_LEVEL: not a choice: 'X'"),
        ((), {"FPX_TRANSPORT": "x"}, "FPX_TRANSPORT: not a choice: 'x'"),
        (("--config", "/nowhere"), {}, "cannot read /nowhere: No such file or directory"),
        ((), {"FPX_CONFIG": "x.py"}, "x.py: a configuration file is TOML, not Python"),
    ],
)
def test_invalid_value_raises_user_error(
    options: tuple[str, ...], environ: Mapping[str, str], complaint: str
) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(complaint)}") as raised:
        read_line(["server", "run", *options], environ)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"x = 1", "unknown key 'X'"),
        (b"port = 'x'", "PORT: not a port: 'x'"),
        (b"port", "Expected '='"),
        (b'host = "a\\u0000"', "HOST: it contains a NUL character"),
    ],
)
def test_invalid_file_raises_user_error(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "archive.toml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"{file}: {complaint}")):
        settings({"config": str(file)}, {})


def test_file_in_another_encoding_raises_user_error(tmp_path: Path) -> None:
    file = tmp_path / "archive.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(UserError, match=re.escape(f"{file} is not UTF-8")):
        settings({"config": str(file)}, {})


def test_default_database_is_in_the_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    expected = f"sqlite:///{tmp_path}/http-process-proxy/archive.db"
    assert settings({}, {}).service_options.db_url == expected


def test_default_database_without_a_home_raises_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UserError, match="no home folder for a database: set DB_URL"):
        str(settings({}, {}).database)
