"""README's section on relays: its command, systemd unit and Dockerfile are valid as written."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from httpprocessproxy.companions.share.relay.cli import read_settings

ROOT = Path(__file__).parents[4]
README = (ROOT / "README.rst").read_text()
SECTION = README.split("\nYour own relay\n")[1].split("\nIn a container\n")[0]


def block(language: str) -> str:
    """The one code block of this language, without its indent."""
    _, text = SECTION.split(f".. code:: {language}\n\n")
    lines = re.match(r"(?:    .*\n|\n)+", text)
    assert lines
    return re.sub(r"^    ", "", lines[0], flags=re.MULTILINE)


def program(line: str) -> list[str]:
    """The arguments of a command line whose program is the package's `http-process-relay`."""
    name, *arguments = shlex.split(line)
    assert Path(name).name == "http-process-relay"
    scripts = (ROOT / "pyproject.toml").read_text()
    assert '\nhttp-process-relay = "httpprocessproxy.companions.share.relay.cli:main"\n' in scripts
    return arguments


def test_command_in_readme_is_valid() -> None:
    (line,) = re.findall(r"^    (http-process-relay .*)$", SECTION, re.MULTILINE)
    assert read_settings(program(line)).domain == "relay.example"


def test_systemd_unit_in_readme_is_valid(tmp_path: Path) -> None:
    unit = block("ini")
    (start,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert read_settings(program(start)).domain == "relay.example"
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        pytest.skip("no systemd here")
    # The unit's program is not installed here; the check needs any program that exists.
    path = tmp_path / "http-process-relay.service"
    path.write_text(unit.replace("/opt/relay/bin/http-process-relay", "/bin/true"))
    ended = subprocess.run([verifier, "verify", str(path)], capture_output=True, text=True)
    assert not [
        line for line in ended.stderr.splitlines() if str(path) in line or "Unknown" in line
    ]


def test_dockerfile_in_readme_is_valid() -> None:
    lines = [line.partition(" ") for line in block("dockerfile").splitlines() if line]
    words = {word: rest for word, _, rest in lines}
    assert list(words) == ["FROM", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD"]
    arguments = json.loads(words["ENTRYPOINT"]) + json.loads(words["CMD"])
    settings = read_settings(program(shlex.join(arguments)))
    assert str(settings.bind.port) == words["EXPOSE"]
