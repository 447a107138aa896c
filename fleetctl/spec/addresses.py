"""What an address looks like."""

from __future__ import annotations

from ipaddress import ip_address


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, and nothing beside it."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
