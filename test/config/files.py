"""A configuration file in the working directory of a test, read as `hpp up` does."""

from pathlib import Path

from httpprocessproxy.config import Config
from httpprocessproxy.config.command_line import read_up
from httpprocessproxy.config.resolving import resolve

SHOP = """\
bind = 8000

[task.migrate]
exec  = "python manage.py migrate"
needs = "db"
watch = "**/migrations/*.py"

[service.db]
exec  = "postgres -D .pgdata -p {port}"
ready = "log:ready to accept"

[service.api]
exec    = "python manage.py runserver --noreload {port}"
route   = ["/api/**", "/admin/**"]
needs   = "migrate"
watch   = "shop/**/*.py"
before  = "python -m compileall -q shop"
preload = true
env     = {DATABASE_URL = "postgresql://dev@127.0.0.1:{db.port}/shop"}

[service.worker]
exec  = "celery -A shop worker"
watch = "shop/**/*.py"
stop  = "TERM 10s"

[service.web]
exec  = "npx vite --port {port} --strictPort"
dir   = "frontend"
route = "/**"
env   = {API = "{api.url}"}
"""


def write(text: str, name: str = "http-process-proxy.toml") -> None:
    """Write a file with the folder that `SHOP` mentions beside it."""
    Path("frontend").mkdir(exist_ok=True)
    Path(name).write_text(text)


def up(*words: str) -> Config:
    """The configuration of `hpp up WORDS`. Raises UserError."""
    return resolve(read_up(words))


def up_with(text: str, *words: str) -> Config:
    """The same for a file of this text."""
    write(text)
    return up(*words)
