"""A server of one request at a time, on a socket that it inherits: python inheriting.py [DATA].

Other connections wait in the backlog. ?id=N first appends N to DATA/orders.log, &ms=T takes T ms,
and &until=F waits until DATA/F exists; the response is the version. /crash exits instead, and
/shutdown calls shutdown(2) on the socket before that, as some servers do at their end.
"""

import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

version = Path("version").read_bytes()


def serve(connection: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        if not (data := connection.recv(65536)):
            return
        request += data
    target = urlsplit(request.split(b" ")[1].decode())
    query = parse_qs(target.query)
    if "id" in query:
        with (Path(sys.argv[1]) / "orders.log").open("a") as log:
            log.write(f"{query['id'][0]}\n")
    while "until" in query and not (Path(sys.argv[1]) / query["until"][0]).exists():
        time.sleep(0.01)
    time.sleep(float(query.get("ms", ["0"])[0]) / 1000)
    if target.path == "/shutdown":
        listener.shutdown(socket.SHUT_RDWR)
    if target.path in ("/crash", "/shutdown"):
        os._exit(7)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(version)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + version)


if "LISTEN_PID" in os.environ:
    assert os.environ["LISTEN_PID"] == str(os.getpid())
assert os.environ["LISTEN_FDS"] == "1"
listener = socket.socket(fileno=3)
while True:
    accepted, _ = listener.accept()
    with accepted:
        try:
            serve(accepted)
        except ConnectionError:
            pass
