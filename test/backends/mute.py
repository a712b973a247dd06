"""Answers once and never again: python mute.py PORT. Connections are accepted, and not read."""

import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
kept: list[socket.socket] = []
connection, _ = listener.accept()
connection.recv(65536)
connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
connection.close()
print("answered once", flush=True)
while True:
    kept.append(listener.accept()[0])
