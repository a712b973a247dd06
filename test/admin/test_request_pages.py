"""The log of requests over HTTP, and a replay."""

from pathlib import Path

from httpprocessproxy.events import members
from test.admin.pages import open_site
from test.admin.sockets import run
from test.inspector.test_request_log import begun, ended, request


def test_log_has_the_newest_request_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            first = ended(program.log, 500, asked=request("/a", "POST", ["Cookie: b=c"]))
            second = begun(program.log)
            async with client.get("/_hpp/requests") as response:
                answer = await response.json()
            rows = answer["requests"]
            assert [row["id"] for row in rows] == [2, 1]
            assert rows[1] == members(first.row())
            assert (answer["last_failed"], answer["replay_failed"]) == (1, False)
            assert "Cookie" not in str(rows)
            async with client.get(f"/_hpp/requests/{second.id}") as response:
                assert "GET / HTTP/1.1\r\n" in (await response.json())["request"]
            async with client.get("/_hpp/requests/1") as response:
                assert await response.json() == first.details()

    run(main())


def test_unknown_request_gets_404(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (_, client):
            for target, status in (("1", 404), ("x", 400), ("-1", 400), ("%31%30", 404)):
                async with client.get(f"/_hpp/requests/{target}") as response:
                    assert response.status == status
                async with client.post(f"/_hpp/requests/{target}/replay") as response:
                    assert response.status == status

    run(main())


def test_replay_sends_the_request_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            record = ended(program.log, asked=request(method="POST"))
            async with client.post("/_hpp/requests/1/replay") as response:
                assert response.status == 202
                assert await response.json() == {"id": 2}
            again = program.log.find(2)
            assert again is not None
            assert again.replay_of == record.id
            async with client.post("/_hpp/requests/2/replay") as response:
                assert response.status == 409  # it has not ended
                assert "cannot be sent again" in (await response.json())["detail"]

    run(main())


def test_replay_after_restarts_is_switched(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            for on in ("true", "false"):
                async with client.post(f"/_hpp/replay-failed?on={on}") as response:
                    assert (await response.json())["replay_failed"] == (on == "true")
                assert program.replays.after_restarts == (on == "true")
            for nonsense in ("", "?on=", "?on=1", "?on=True"):
                async with client.post(f"/_hpp/replay-failed{nonsense}") as response:
                    assert response.status == 400

    run(main())
