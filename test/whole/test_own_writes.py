"""Files written by the server itself cause no restart; saves at the same time do."""

import socket
from pathlib import Path

from test.deadline import PATIENCE_S, eventually
from test.harness import Proxy, backend

BUILD = """
mkdir -p dist
for number in 1 2 3 4 5; do cp main.ts dist/$number.js; done
exec "$@"
"""


def test_upload_that_the_server_writes_into_the_project_is_answered(project: Path) -> None:
    with Proxy(project, backend("uploads.py")) as proxy:
        proxy.running()
        with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as client:
            client.sendall(
                b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Content-Length: 3000\r\n\r\n" + bytes(1000)
            )
            eventually(lambda: (project / "uploads" / "a.bin").exists())
            proxy.wait_output(r"the server writes uploads/a.bin itself.*--exclude 'uploads/\*\*'")
            client.sendall(bytes(2000))
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"3000")
        assert proxy.status()["generation"] == 1
        # A save by another process right after it restarts the server.
        with proxy.restart():
            proxy.save("a.py", "")


def test_build_is_not_restarted_by_its_own_writes(project: Path) -> None:
    (project / "build.sh").write_text(BUILD)
    (project / "main.ts").write_text("1")
    with Proxy(project, ["sh", "build.sh", *backend("echo.py")]) as proxy:
        proxy.running()
        assert proxy.status()["generation"] <= 6
        for number in range(2, 5):
            with proxy.restart():
                proxy.save("main.ts", str(number))
            assert (project / "dist" / "5.js").read_text() == str(number)
        generation = proxy.status()["generation"]
        with proxy.restart():
            proxy.save("main.ts", "the build is known")
        assert proxy.status()["generation"] == generation + 1


def test_save_during_a_build_is_never_missed(project: Path) -> None:
    """The server that answers was built from the last save."""
    (project / "build.sh").write_text(BUILD.replace("done", "sleep 0.2; done"))
    (project / "main.ts").write_text("0")
    with Proxy(project, ["sh", "build.sh", *backend("echo.py")]) as proxy:
        for number in range(1, 6):
            eventually(lambda: proxy.status()["state"] == "loading")
            proxy.save("main.ts", str(number))
            proxy.running()
            assert (project / "dist" / "5.js").read_text() == str(number)
            proxy.save("other.ts", str(number))
