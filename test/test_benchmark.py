"""The benchmark's quick run: every part works, and every figure is present."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 240
OURS = "http-process-proxy"
LOAD = [
    f"{scenario}.{what}"
    for scenario in ("browser1", "browser32", "browser256", "new32", "body32")
    for what in ("rate", "median", "added", "cpu")
]
TLS = [f"{scenario}.{what}" for scenario in ("tls1", "tls32") for what in ("rate", "cpu")]
SERVICES = [f"services{count}.{what}" for count in (1, 32) for what in ("rate", "cpu")]
FRONT = [f"fronth{version}.{what}" for version in (1, 2, 3) for what in ("rate", "cpu")]
WEBSOCKET = [
    f"websocket{shape}.{what}"
    for shape in ("1x64", "16x64", "1x65536", "16x65536")
    for what in ("rate", "cpu")
]
WITH_NGINX = ["download", "stall.memory", "stall.beside"]
WHAT = ("rate", "cpu", "size")
ALWAYS = ["upload", "idle.start", "idle.memory", *WEBSOCKET]

Figures = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Figures, str, Path]:
    """One quick run: its figures, its output, and the folder with its files."""
    folder = tmp_path_factory.mktemp("benchmark")
    outputs = ["--json", str(folder / "figures.json"), "--svg", str(folder / "chart.svg")]
    done = subprocess.run(
        [sys.executable, "-m", "test.benchmark", "--quick", *outputs],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    whole = json.loads((folder / "figures.json").read_text())
    assert OURS not in whole["skipped"], whole["skipped"]
    assert whole["faults"] == [], whole["faults"]
    figures = {(one["key"], one["contestant"]): float(one["figure"]) for one in whole["figures"]}
    return figures, done.stdout, folder


def missing(figures: Figures, keys: list[str], contestant: str) -> list[str]:
    """The keys without a number."""
    return [key for key in keys if not math.isfinite(figures.get((key, contestant), math.nan))]


def test_every_figure_is_present(run: tuple[Figures, str, Path]) -> None:
    figures, _, _ = run
    assert missing(figures, ALWAYS, OURS) == []


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="needs nginx")
def test_figures_with_nginx_behind_are_present(run: tuple[Figures, str, Path]) -> None:
    figures, _, _ = run
    assert missing(figures, WITH_NGINX, OURS) == []
    assert missing(figures, WITH_NGINX, "nginx") == []


@pytest.mark.skipif(
    not (shutil.which("wrk") and shutil.which("nginx", path="/usr/sbin:/usr/bin")),
    reason="needs wrk and nginx",
)
def test_figures_under_load_are_present(run: tuple[Figures, str, Path]) -> None:
    figures, _, _ = run
    assert missing(figures, [*LOAD, "memory.peak", *TLS], OURS) == []
    assert missing(figures, TLS, f"{OURS}, TLS") == []
    assert missing(figures, SERVICES, f"{OURS}, 6 services") == []
    assert figures["browser32.rate", OURS] > 0


@pytest.mark.skipif(
    not (
        shutil.which("wrk")
        and shutil.which("h2load")
        and shutil.which("nginx", path="/usr/sbin:/usr/bin")
    ),
    reason="needs wrk, h2load and nginx",
)
@pytest.mark.parametrize("server", [OURS, "http-process-asgi"])
def test_each_version_of_http_is_measured(run: tuple[Figures, str, Path], server: str) -> None:
    figures, _, _ = run
    assert missing(figures, FRONT, server) == []


@pytest.mark.parametrize("backend", ["python", "node"])
def test_restarts_are_measured(run: tuple[Figures, str, Path], backend: str) -> None:
    if backend == "node" and not shutil.which("node"):
        pytest.skip("needs node")
    figures, _, _ = run
    keys = [f"restart.{backend}.{what}" for what in ("fresh", "overhead", "failed", "stale")]
    assert missing(figures, keys, f"{OURS} (embedded)") == []


@pytest.mark.parametrize("what", ["page", "get", "cut"])
def test_guarantees_of_a_save_are_measured(run: tuple[Figures, str, Path], what: str) -> None:
    figures, _, _ = run
    assert missing(figures, [f"save.python.{what}"], f"{OURS} (embedded)") == []


@pytest.mark.skipif(
    not (shutil.which("wrk") and shutil.which("nginx", path="/usr/sbin:/usr/bin")),
    reason="needs wrk and nginx",
)
@pytest.mark.parametrize("way", ["share, streaming", "share, long polling"])
def test_visits_by_a_relay_are_measured(run: tuple[Figures, str, Path], way: str) -> None:
    keys = [f"{name}.{what}" for name in ("share1", "share32") for what in ("rate", "added")]
    figures, _, _ = run
    assert missing(figures, [*keys, "sharebody.rate"], way) == []


@pytest.mark.skipif(
    not (shutil.which("zip") and shutil.which("nginx", path="/usr/sbin:/usr/bin")),
    reason="needs zip and nginx",
)
@pytest.mark.parametrize("way", ["http-process-archive", "zip -"])
def test_archives_are_measured(run: tuple[Figures, str, Path], way: str) -> None:
    keys = [f"archive{kind}.{what}" for kind in ("text", "small", "image") for what in WHAT]
    figures, _, _ = run
    assert missing(figures, keys, way) == []


def test_idle_costs_are_measured(run: tuple[Figures, str, Path]) -> None:
    figures, _, _ = run
    assert missing(figures, ["idle.cpu", "idle.watched_memory"], f"{OURS} (embedded)") == []


def test_tables_and_chart_are_drawn(run: tuple[Figures, str, Path]) -> None:
    _, printed, folder = run
    assert "Restarts: from the save to the first fresh byte" in printed
    assert "####" in printed
    picture = ElementTree.parse(folder / "chart.svg").getroot()
    assert len(picture.findall("{http://www.w3.org/2000/svg}rect")) > 4
