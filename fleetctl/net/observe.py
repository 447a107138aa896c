"""Collects what the kernel says about a fleet's wiring, and joins it with the engine's facts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from fleetctl.net.join import join_topology
from fleetctl.state.network import Namespace, Topology
from fleetctl.state.observed import ObservedNetwork, Replica


def observe_topology(
    fleet_name: str, networks: Iterable[ObservedNetwork], replicas: Iterable[Replica], *, local: bool
) -> Topology:
    """The wiring of `replicas` (inspected: with `pid`) in `networks`, read from the kernel without an exec.

    `local` says that the engine runs on this host. When it does not, or the kernel does not let us look, what
    the engine says remains and the rest is None, with the reason.
    """
    replicas = tuple(replicas)
    pids = tuple(replica.pid for replica in replicas if replica.pid)
    host, inside = _read(pids, local=local)
    return join_topology(fleet_name, networks, replicas, host, inside)


def _read(pids: Iterable[int], *, local: bool) -> tuple[Namespace, Mapping[int, Namespace]]:
    """The host's namespace, and by pid that of each process."""
    if not local:
        reason = "the engine is on another host, whose kernel is not asked"
    elif sys.platform != "linux":
        reason = "the engine's containers run in a virtual machine, whose kernel is not asked"
    else:
        from fleetctl.net.namespaces import read_namespaces

        return read_namespaces(pids)
    unread = Namespace(unknown=dict.fromkeys(("interfaces", "nsid"), reason))
    return unread, dict.fromkeys(pids, unread)
