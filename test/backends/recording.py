"""A server that passes each connection's socket to the test, which acts as the backend.

    python recording.py PORT NAME     NAME: an abstract Unix socket that the test listens on

A connection that ends before its first byte is a readiness check, and is not passed on.
"""

import socket
import sys
import threading


def hand_over(connection: socket.socket, test: socket.socket) -> None:
    with connection:
        try:
            if connection.recv(1, socket.MSG_PEEK):
                socket.send_fds(test, [b"."], [connection.fileno()])
        except OSError:
            pass  # reset before its first byte


def main() -> None:
    test = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    test.connect("\0" + sys.argv[2])
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=hand_over, args=(connection, test), daemon=True).start()


main()
