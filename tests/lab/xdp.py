"""Attaches to an interface a program that drops every packet (XDP), until this process ends: `xdp INTERFACE`."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import struct
import sys

SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROGRAM_LOAD, LINK_CREATE = 5, 28  # bpf(2)
XDP_TYPE, ATTACH_XDP = 6, 37
DROP = struct.pack("=BBhi", 0xB7, 0, 0, 1) + struct.pack("=BBhi", 0x95, 0, 0, 0)  # r0 = XDP_DROP; exit


def bpf(command: int, attributes: bytes) -> int:
    attributes = attributes.ljust(128, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.syscall(SYSCALL, command, ctypes.c_char_p(attributes), len(attributes)))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def main(interface: str) -> None:
    instructions, licence = ctypes.create_string_buffer(DROP, len(DROP)), ctypes.create_string_buffer(b"GPL")
    loaded = struct.pack("=IIQQ", XDP_TYPE, 2, ctypes.addressof(instructions), ctypes.addressof(licence))
    program = bpf(PROGRAM_LOAD, loaded)
    bpf(LINK_CREATE, struct.pack("=IIII", program, socket.if_nametoindex(interface), ATTACH_XDP, 0))
    sys.stdout.write("attached\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
