"""A server of the laboratory that misbehaves on the wire: its argument says how. Only the standard library.

reset: takes the request and resets. empty: closes without a byte. one-byte: sends one and closes. cut: closes in the
middle of the body. stall: never sends the rest of the body. loop: redirects to itself. trickle: half a second for each
byte of the head. ssh: greets first. http2: speaks HTTP/2 only. v6only: listens on [::], for IPv6 alone. device: serves
one interface (DEVICE). reuseport: four processes with a socket each. threads: a thread for each connection, for as many
as it may have. single: one connection after the other. every-other: each second answer is a 502.
"""

import contextlib
import itertools
import os
import signal
import socket
import struct
import sys
import threading
import time

MODE, PORT = sys.argv[1], int(os.environ.get("PORT", "8080"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"." * 500
LOOP = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SETTINGS_AND_GOAWAY = b"\0\0\0\4\0\0\0\0\0" + b"\0\0\10\7\0\0\0\0\0" + b"\0\0\0\0\0\0\0\1"  # RFC 9113, 6.5 and 6.8
BAD = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
turns = itertools.cycle((OK, BAD))
ANSWERS = {"loop": LOOP, "http2": SETTINGS_AND_GOAWAY, "one-byte": b"H", "empty": b"", "cut": LONG}


def listen() -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if MODE == "v6only" else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if MODE == "v6only":
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if MODE == "reuseport":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if MODE == "device":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.environ["DEVICE"].encode())
    listener.bind(("::" if MODE == "v6only" else "0.0.0.0", PORT))
    listener.listen(128)
    return listener


def answer(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        if MODE == "ssh":
            connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        connection.recv(65536)
        if MODE == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif MODE == "stall":
            connection.sendall(LONG)
            time.sleep(60)
        elif MODE == "trickle":
            for byte in OK:
                connection.sendall(bytes((byte,)))
                time.sleep(0.5)
        elif MODE == "every-other":
            connection.sendall(next(turns))
        else:
            connection.sendall(ANSWERS.get(MODE, OK))


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if MODE == "reuseport":
        any(os.fork() == 0 for _ in range(3))  # each child goes on below, with a socket of its own
    listener = listen()
    while True:
        connection, _ = listener.accept()
        if MODE == "single":
            answer(connection)
            continue
        try:
            threading.Thread(target=answer, args=(connection,), daemon=True).start()
        except RuntimeError:  # no more threads
            connection.close()


main()
