"""Several services behind one origin, from a configuration file and from a Procfile."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

from test.deadline import PATIENCE_S
from test.harness import BACKENDS, Proxy, http_connection

ECHO = f"{sys.executable} {BACKENDS / 'echo.py'} {{port}}"


class Project(Proxy):
    """The program in a project of several services, at PROXY_PORT in the file and the words."""

    def __init__(self, project: Path, file: str, *words: str, name: str, below: str = "") -> None:
        super().__init__(project, ())
        (project / name).write_text(file.replace("PROXY_PORT", str(self.port)))
        filled = [word.replace("PROXY_PORT", str(self.port)) for word in words]
        self.arguments = [sys.executable, "-m", "httpprocessproxy", *filled]
        self.project = project / below
        self.environment.pop("PORT", None)


def refused(project: Path, *words: str) -> str:
    command = [sys.executable, "-m", "httpprocessproxy", *words]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE_S, cwd=project
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    return done.stderr


def answers(proxy: Proxy, *targets: str, host: str = "") -> list[str]:
    """The text of the file `version` in the folder of the server that answers each target."""
    found = []
    for target in targets:
        connection = http_connection(proxy)
        with contextlib.closing(connection):
            connection.request("GET", target, headers={"Host": host} if host else {})
            response = connection.getresponse()
            assert response.status == 200
            found.append(response.read().decode())
    return found


FILE = f"""\
bind = "127.0.0.1:PROXY_PORT"
livereload-port = 0
watcher = "embedded"

[service.api]
exec  = "sh -c 'echo $BRANCH api knows $WEB in $PWD; exec {ECHO}'"
route = "/api/**"
strip = true
dir   = "back end"
env   = {{WEB = "{{web.url}}", BRANCH = "{{worktree}}"}}
watch = "**/*.py"

[service.web]
exec  = "{ECHO}"
route = "/**"

[service.worker]
exec  = "sh -c 'echo worker of ${{PORT-no port}}; sleep 1000'"
"""


def make_work_tree(project: Path, branch: str) -> None:
    """Make a linked work tree, as git-worktree(1) does."""
    git = project.with_name("repository") / ".git" / "worktrees" / "project"
    git.mkdir(parents=True)
    (git / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    (git / "commondir").write_text("../..\n")
    (project / ".git").write_text(f"gitdir: {git}\n")


def test_services_of_a_file_above_run_behind_one_origin(project: Path) -> None:
    make_work_tree(project, "Fix/cart")
    (project / "back end").mkdir()
    (project / "back end" / "version").write_text("back end")
    with Project(project, FILE, "up", name="http-process-proxy.toml", below="back end") as proxy:
        proxy.running()
        proxy.wait_output("worker of no port")
        url = proxy.wait_output(r"web +http\S+ +(localhost:\d+)")[1]
        proxy.wait_output(rf"fix-cart api knows http://{url} in {project}/back end")
        assert answers(proxy, "/api/version", "/version") == ["back end", ""]
        # Each service also has hosts of its own.
        for host in ("api.localhost", "fix-cart.api.localhost"):
            assert answers(proxy, "/version", host=f"{host}:{proxy.port}") == ["back end"]
        (project / "a.py").touch()
        proxy.wait_output(rf"(?s)(api knows http://{url} .*){{2}}")
        assert answers(proxy, "/api/version") == ["back end"]
        proxy.wait_output(r"api +\| restarted in")
        assert not re.search(r"(web|worker) +\| restarted", proxy.output)


PROCFILE = f"""\
# as foreman runs it
web: exec {sys.executable} {BACKENDS / "echo.py"} $PORT
worker: echo "worker of $SHOP, ${{PORT-no port}}" && sleep 1000
"""


def test_procfile_runs_as_it_is(project: Path) -> None:
    (project / ".env").write_text("SHOP='two words'\n")
    words = ["up", "Procfile", "--bind", "127.0.0.1:PROXY_PORT", "--livereload-port", "0"]
    with Project(project, PROCFILE, *words, name="Procfile") as proxy:
        proxy.running()
        proxy.wait_output("worker of two words, no port")
        assert answers(proxy, "/version") == [""]


def test_mistake_ends_the_program_before_anything_starts(project: Path) -> None:
    text = '[service.a]\nexec = "touch started"\nneeds = "b"\n[task.b]\nexec = "b"\nneeds = "a"\n'
    (project / "http-process-proxy.toml").write_text(text)
    error = "http-process-proxy.toml:3: service.a.needs: a circle: 'a' needs 'b', which needs 'a'"
    assert refused(project, "up") == f"http-process-proxy: {error}\n"
    (project / "Procfile").write_text("web serve\n")
    error = "Procfile:1: not a line NAME: COMMAND: 'web serve'"
    assert refused(project, "up", "Procfile") == f"http-process-proxy: {error}\n"
    assert not (project / "started").exists()
