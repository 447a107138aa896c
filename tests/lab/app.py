"""The server of the laboratory: answers HTTP on one port, or misbehaves as its environment says.

MODE: serve, crash, eat-memory, late, fork, udp, never-accept, leak-files, hang, slow, tls, redirect, busy, twice.
ADDRESS and PORT are where it listens, STATUS is what it answers, HOST the only Host header it takes (else 421),
SECONDS how long "late", "slow" and "busy" take. Only the standard library; every import costs each start.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time

ADDRESS, PORT = os.environ.get("ADDRESS", "0.0.0.0"), int(os.environ.get("PORT", "8080"))
MODE, STATUS, HOST = os.environ.get("MODE", "serve"), os.environ.get("STATUS", "200 OK"), os.environ.get("HOST")
SECONDS = float(os.environ.get("SECONDS", "5"))
# More than a small MTU lets through, and not more than one packet of 1500 bytes with its headers: a longer answer
# travels as one oversized packet that the kernel cuts up late, and passes an end of a veth pair that is too narrow.
BODY = (f"My name is {socket.gethostname()}\n" + "." * 1300)[:1300].encode()


def listen(backlog: int = 128) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ADDRESS, PORT))
    listener.listen(backlog)
    return listener


def answer(connection: socket.socket) -> None:
    with connection:
        connection.settimeout(10)
        request = b""
        while b"\r\n\r\n" not in request:
            received = connection.recv(4096)
            if not received:
                return
            request += received
        connection.sendall(response(request))


def response(request: bytes) -> bytes:
    status, headers = STATUS, ""
    if MODE == "slow":
        time.sleep(SECONDS)
    elif MODE == "busy":
        end = time.process_time() + SECONDS
        while time.process_time() < end:
            pass
    elif MODE == "redirect":
        status, headers = "302 Found", f"Location: http://localhost:{PORT}/home\r\n"
    if HOST and f"\r\nhost: {HOST}\r\n" not in request.decode("latin-1").lower():
        status = "421 Misdirected Request"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n{headers}\r\n".encode() + BODY


def serve(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=quietly, args=(connection,), daemon=True).start()


def quietly(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client went away
        answer(connection)


def serve_tls(listener: socket.socket) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tls.pem")
    while True:
        connection, _ = listener.accept()
        connection.settimeout(10)
        try:
            quietly(context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()


def leak_files() -> None:
    listener = listen()
    leaked = []
    while True:
        try:
            leaked.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
    while True:
        try:
            leaked.append(listener.accept()[0].detach())
        except OSError as error:
            sys.stderr.write(f"{error}\n")
            time.sleep(0.5)


def main() -> None:
    # Process 1 has no default action for SIGTERM; 143 is what a shell says of a process that SIGTERM ended.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    if MODE == "crash":
        sys.stderr.write("cannot open the database\n")
        sys.exit(3)
    if MODE == "eat-memory":
        hoard = []
        while True:
            hoard.append(b"x" * 2**20)
    if MODE == "late":
        time.sleep(SECONDS)
    if MODE == "udp":
        waiting = socket.socket(type=socket.SOCK_DGRAM)
        waiting.bind((ADDRESS, PORT))
        signal.pause()
    if MODE == "fork" and os.fork():
        while True:  # the main process goes on, and never asks what became of the one that served
            signal.pause()
    if MODE == "fork":
        listener = listen()
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        time.sleep(SECONDS)
        os._exit(1)
    if MODE == "never-accept":
        waiting = listen(backlog=1)
        signal.pause()
    if MODE == "leak-files":
        leak_files()
    if MODE == "hang":
        listener, held = listen(), []
        while True:
            held.append(listener.accept()[0])
    if MODE == "twice":
        held_by_this_process = [listen()]
        assert held_by_this_process
    if MODE == "tls":
        serve_tls(listen())
    serve(listen())


main()
