"""The server's own reloader, detected by the command's words and the environment variables."""

import shlex

import pytest

from httpprocessproxy.core.change.reloaders import own_reloader


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("python manage.py runserver 8001", "add --noreload"),
        (".venv/bin/python3.12 ./manage.py runserver 8001", "add --noreload"),
        ("django-admin runserver", "add --noreload"),
        ("flask run --debug", "add --no-reload"),
        ("python -m flask --debug run", "add --no-reload"),
        ("uvicorn app:app --reload", "leave --reload out"),
        ("/usr/bin/python3 /venv/bin/uvicorn app:app --reload", "leave --reload out"),
        ("python -m uvicorn app:app --reload", "leave --reload out"),
        ("uv run gunicorn --reload app", "leave --reload out"),
        ("fastapi dev app.py", "add --no-reload"),
        ("nodemon server.js", "run the server without it"),
        ("node node_modules/.bin/nodemon server.js", "run the server without it"),
        ("npx nodemon server.js", "run the server without it"),
        ("env A=1 nodemon server.js", "run the server without it"),
        ("node --watch server.js", "leave --watch out"),
        ("node --watch-path=src server.js", "leave --watch-path=src out"),
        ("bun --hot server.ts", "leave --hot out"),
        ("tsx watch server.ts", "leave watch out"),
        ("dotnet watch", "leave watch out"),
        ("air -c .air.toml", "run the server without it"),
    ],
)
def test_reloader_in_the_command_gives_advice(command: str, advice: str) -> None:
    assert advice in own_reloader(shlex.split(command))


@pytest.mark.parametrize(
    "command",
    [
        "python manage.py runserver --noreload 8001",
        "python manage.py migrate",
        "flask run --debug --no-reload",
        "flask run",
        "uvicorn app:app",
        "node server.js --watch-tower",
        "npm run dev",
        "sh -c 'exec nodemon'",
        "fastapi run app.py",
        "env RUN_MAIN=1",
        "npx --yes",
        "",
    ],
)
def test_command_without_a_reloader_gives_no_advice(command: str) -> None:
    assert own_reloader(shlex.split(command)) == ""


def test_variables_of_the_running_server_reveal_its_reloader() -> None:
    words = ["python", "app.py"]
    assert "Flask's" in own_reloader(words, {"WERKZEUG_RUN_MAIN", "PATH"})
    assert "Django's" in own_reloader(words, {"RUN_MAIN"})
