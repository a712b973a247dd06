"""A server that starts in a few milliseconds: python small.py PORT."""

import socket
import sys

with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        connection, _ = server.accept()
        with connection:
            if connection.recv(65536):
                answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
                connection.sendall(answer + b"ok")
