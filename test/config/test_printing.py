"""The printed configuration of several services, which reads back as the same one."""

import tomllib
from pathlib import Path

import pytest

from httpprocessproxy.config.printing import written
from httpprocessproxy.config.service_options import ALIASES, SERVICE_KEYS, TASK_KEYS
from test.config.files import SHOP, up_with, write

FILES = {
    "shop": SHOP,
    "external": '[service.a]\naddress = 9000\nroute = "/**"\nstrip = true',
    "defaults": 'drain = 3\nenv = {A = "1"}\nstop = "TERM 3s"\nwatcher = "polling"\n'
    'watch = "*.py"\nready = "log:up"\nidle = "2h"\n'
    '[service.a]\nexec = "a"\nroute = "x.localhost/y"\n[task.t]\nexec = ["a", ""]\nfollow = "a"',
    "one": '[service.web]\nexec = "a"\nroute = "/**"\nwatch = "*.py"\nready = "http:/up"\n',
    "other": '[service.api]\nasgi = "a:b"\nroute = "/**"\nsocket = true',
    "single": 'bind = 8000\nbackend = 8001\nexec = "a"\nenv = {A = "1"}\nready = "log:up"\n'
    'dir = "frontend"\nbefore = "make"\nidle = "30s"',
    "tasks": '[task.t]\nexec = "a"\nenv = {P = "{port}"}',
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_printed_file_reads_as_the_same_config(name: str) -> None:
    config = up_with(FILES[name])
    text = written(config)
    assert up_with(text) == config
    assert written(up_with(text)) == text


def test_printed_file_has_every_key_of_each_table() -> None:
    printed = tomllib.loads(written(up_with(SHOP)))
    forms = {"stop", "ping", "ping-path"} | set(ALIASES.values())
    assert set(printed["service"]["api"]) == set(SERVICE_KEYS) - forms | set(ALIASES)
    assert set(printed["task"]["migrate"]) == set(TASK_KEYS) - forms | set(ALIASES)
    assert not set(printed) & set(SERVICE_KEYS)


def test_printed_file_of_chosen_services_has_only_these() -> None:
    write(SHOP)
    assert set(tomllib.loads(written(up_with(SHOP, "worker")))["service"]) == {"worker"}
