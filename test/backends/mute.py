"""A server that answers one request, then accepts connections and ignores them: mute.py PORT."""

import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
connections: list[socket.socket] = []
connection, _ = listener.accept()
connection.recv(65536)
connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
connection.close()
print("answered once", flush=True)
while True:
    connections.append(listener.accept()[0])
