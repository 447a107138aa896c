"""Options of the engine's bridge driver: it would refuse a wrong one only once the network before it is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleetctl.spec.addresses import is_address
from fleetctl.spec.model import Network
from fleetctl.spec.site import Site
from fleetctl.spec.wording import shown

BRIDGE_NAME = "com.docker.network.bridge.name"

_LONGEST = 15
"""Bytes of an interface's name: IFNAMSIZ without the NUL, netdevice(7)."""
_NEVER = frozenset((".", "..", "lo", "all", "default"))
"""No names of files, the host's own interface, and what sysctl has beside the interfaces' names."""
_REFUSED = b"/:% \t\n\v\f\r\xa0"
"""dev_valid_name of the kernel, in whose character set 0xa0 is a space; % stands for a number."""
_TRUTH = frozenset(("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"))
"""What Go's strconv.ParseBool takes."""

Check = Callable[[str], bool]


def _is_interface(text: str) -> bool:
    raw = text.encode()
    return len(raw) <= _LONGEST and text not in _NEVER and not any(byte in _REFUSED for byte in raw)


_TRUE_OR_FALSE: tuple[Check, str, str] = (_TRUTH.__contains__, "neither true nor false", "write true or false")
_CHECKS: Mapping[str, tuple[Check, str, str]] = {
    # moby, libnetwork/drivers/bridge: fromLabels. Options that it does not know it ignores.
    BRIDGE_NAME: (
        _is_interface,
        "not the name of a bridge",
        f"use at most {_LONGEST} bytes without / : % and spaces; lo, all and default are the kernel's own",
    ),
    "com.docker.network.driver.mtu": (
        lambda text: text.isascii() and text.isdigit(),
        "not a number of bytes",
        "write it as in 1400",
    ),
    "com.docker.network.bridge.host_binding_ipv4": (is_address, "not an address", "write it as in 127.0.0.1"),
    "com.docker.network.bridge.enable_icc": _TRUE_OR_FALSE,
    "com.docker.network.bridge.enable_ip_masquerade": _TRUE_OR_FALSE,
    "com.docker.network.bridge.inhibit_ipv4": _TRUE_OR_FALSE,
}


def bridge_name(network: Network) -> str | None:
    """The name that the file gives to the bridge of a network; None leaves it to the engine."""
    return network.driver_opts.get(BRIDGE_NAME) or None


def check_bridges(site: Site, networks: Mapping[str, Network]) -> None:
    """Every option must be one that the driver takes, and a bridge belong to one network; `site` is that of
    `networks`."""
    owners: dict[str, str] = {}
    for key, network in networks.items():
        options = site.at(key, "driver_opts")
        for name, text in network.driver_opts.items():
            is_right, message, hint = _CHECKS.get(name, (None, "", ""))
            if is_right is not None and not is_right(text):
                options.at(name).report(f"{message}: {shown(text, 60)}", hint)
        bridge = bridge_name(network)
        if bridge is not None:
            owner = owners.setdefault(bridge, key)
            if owner != key:
                options.at(BRIDGE_NAME).report(f"the network {owner} has that bridge already", "choose another name")
