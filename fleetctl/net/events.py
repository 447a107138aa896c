"""Hears from the kernel when links, addresses or routes change, here and in every namespace that is known here."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x40, 0x100  # rtnetlink.h
GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR
"""Not neighbours: an entry changes its state with every bit of traffic, and the wiring does not."""
SOL_NETLINK, NETLINK_LISTEN_ALL_NSID = 270, 8  # linux/socket.h, netlink(7)
RECEIVE = 1 << 16


class LinkEvents:
    """A subscription; `fileno` becomes readable when something has changed. Raises OSError when the kernel refuses."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.everywhere = True
        try:
            # Containers have a number here because a veth of ours leads there. Needs CAP_NET_BROADCAST.
            self._socket.setsockopt(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
        except OSError:
            self.everywhere = False
        self._socket.bind((0, GROUPS))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> int:
        """Take what has come; returns how many messages. A picture is taken anew, so what they say does not matter,
        nor that some were lost (ENOBUFS)."""
        count = 0
        with suppress(BlockingIOError):
            while True:
                try:
                    count += bool(self._socket.recv(RECEIVE))
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    count += 1
        return count

    def close(self) -> None:
        self._socket.close()
