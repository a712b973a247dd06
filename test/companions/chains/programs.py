"""The program with chains as real processes: each server of a pipeline behind its own proxy."""

import contextlib
import http.client
import json
import socket
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from test.deadline import PATIENCE_S
from test.harness import Proxy, backend


class Pipeline:
    """Proxies that may all call each other; error reports go to `errors`, a UDP socket."""

    def __init__(self, proxies: Sequence[Proxy], errors: socket.socket) -> None:
        self.proxies = proxies
        self.errors = errors
        self.errors_to = f"udp://127.0.0.1:{errors.getsockname()[1]}"

    def send(
        self, target: str, *hops: Proxy | str, chain: str = "", **fields: str
    ) -> tuple[str, http.client.HTTPResponse]:
        """POST to the first proxy a chain over `hops`; return its Id and the response."""
        chain = chain or str(uuid.uuid4())
        sent = {
            "X-Forward-Id": chain,
            "X-Forward-Errors-To": self.errors_to,
            "X-Forward-Referer": "ORIGIN",
        }
        if hops:
            urls = [hop.url if isinstance(hop, Proxy) else hop for hop in hops]
            sent["X-Forward-To"] = ", ".join(urls)
            sent["X-Forward-Query-Params"] = "," * (len(hops) - 1)
            sent["X-Forward-Method"] = ",".join(["POST"] * len(hops))
        sent |= {f"X-Forward-{name.replace('_', '-')}": value for name, value in fields.items()}
        return chain, self.post(target, sent)

    def post(self, target: str, fields: dict[str, str]) -> http.client.HTTPResponse:
        port = self.proxies[0].port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("POST", target, b"in", fields)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    def error(self) -> dict[str, str]:
        """The next error report."""
        report: dict[str, str] = json.loads(self.errors.recv(65536))
        return report


@contextlib.contextmanager
def pipeline(
    folder: Path, count: int, *options: str, command: Sequence[str] | None = None
) -> Iterator[Pipeline]:
    """Start `count` proxies, each with a server of its own, and wait until they run."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as errors,
        contextlib.ExitStack() as stack,
    ):
        errors.bind(("127.0.0.1", 0))
        errors.settimeout(PATIENCE_S)
        command = command or backend("echo.py")
        proxies = [Proxy(folder / f"service{number}", command) for number in range(count)]
        made = Pipeline(proxies, errors)
        allowed = [made.errors_to, *(proxy.url for proxy in proxies)]
        given = ["--forward-chains", *options]
        given += [word for origin in allowed for word in ("--forward-allow", origin)]
        for proxy in proxies:
            at = proxy.arguments.index("--exec")
            proxy.arguments[at:at] = given
            stack.enter_context(proxy)
        for proxy in proxies:
            proxy.running()
        yield made
