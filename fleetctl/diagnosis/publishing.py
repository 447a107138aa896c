"""Whether a published port leads from outside to the container, and the container's packets outward, by the rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from shlex import quote

from fleetctl.diagnosis import shell
from fleetctl.diagnosis.filtering import deletion
from fleetctl.diagnosis.outward import OUTSIDE, forwarding, is_managed, masquerade, own_address, uplink_name
from fleetctl.diagnosis.packet import Packet, fate
from fleetctl.diagnosis.scene import Evidence, Finding, Proof, Scene, Way, finding
from fleetctl.spec.wording import listed
from fleetctl.state.filters import Filters
from fleetctl.state.network import Listener, WiredNetwork
from fleetctl.state.observed import ANYWHERE, Published, Replica

NAT = "iptables -t nat -S"


def mapping(container: Replica, port: int | None, scene: Scene, *, by_published: bool) -> Iterator[Finding]:
    """What was to be published and is not, and what leads to a port where nothing listens."""
    facts = container.inspection
    if facts is None or container.state != "running":
        return
    made = {(one.container_port, one.protocol) for one in container.ports if one.host_port is not None}
    for asked in facts.requested:
        if (asked.container_port, asked.protocol) in made:
            continue
        internal = [one for one in scene.networks if one.name in container.endpoints and one.internal]
        if internal:
            seen = Evidence(
                f"port {asked.container_port} was to be published, and is not: network {internal[0].name} is internal",
                f"docker network inspect {quote(internal[0].name)}",
            )
            yield finding(
                "internal-network",
                container.name,
                seen,
                cure="put the container into a network that is not internal, too",
            )
    heard = {one.port for one in scene.inside(container).listeners or () if one.protocol == "tcp"}
    if not heard or scene.inside(container).listeners is None:
        return
    for one in container.ports:
        if one.host_port is None or one.protocol != "tcp" or one.container_port in heard:
            continue
        if port is not None and one.container_port == port and not by_published:
            continue  # the server's own port is silent: the socket is the finding
        there = listed(sorted(heard))
        seen = Evidence(
            f"host port {one.host_port} leads to container port {one.container_port}, but it listens on {there}",
            f"docker port {quote(container.name)}",
        )
        right = next(iter(sorted(heard)))
        yield finding("published-to-wrong-port", container.name, seen, cure=f"publish {one.host_port}:{right} instead")


def from_outside(container: Replica, network: WiredNetwork, scene: Scene) -> Iterator[Finding | Proof]:
    """What the host's rules would do with a packet from outside to each published port of the container."""
    filters, uplink, settings = scene.filters.get(None), uplink_name(scene), scene.settings(network)
    endpoint = next((one for one in container.endpoints.values() if one.network_id == network.id), None)
    if (
        filters is None
        or not filters.rules
        or uplink is None
        or endpoint is None
        or settings is None
        or settings.internal
        or network.driver != "bridge"
    ):
        return
    published = [
        one
        for one in container.ports
        if one.host_port and one.protocol == "tcp" and one.host_ip in ANYWHERE and one.host_ip != "::"
    ]
    for one in published:
        yield from published_port(container, one, endpoint.ipv4, network, scene, filters, uplink)
    if published or endpoint.gateway:
        yield from forwarding(network, scene, uplink)
        yield from masquerade(container, endpoint.ipv4, network, scene, filters, uplink)


def published_port(
    container: Replica,
    port: Published,
    address: str | None,
    network: WiredNetwork,
    scene: Scene,
    filters: Filters,
    uplink: str,
) -> Iterator[Finding | Proof]:
    arriving = Packet(
        OUTSIDE, own_address(scene, uplink), port.host_port, in_interface=uplink, destination_is_local=True
    )
    turned = fate(filters, arriving, "prerouting")
    native = "nft" in filters.unknown or any(rule.tool == "nft" for rule in filters.rules)
    goal = f"{address}:{port.container_port}"
    enters = has_entry(container, network)
    if turned.passes and turned.rewritten_to is None and is_managed(filters) and not native and enters:
        seen = Evidence(f"no NAT rule leads host port {port.host_port} to {goal}", NAT)
        proxy = next((one for one in scene.host.listeners or () if one.port == port.host_port), None)
        masked = (
            (Evidence(f"only docker-proxy serves port {port.host_port}, and hides the sender's address", "ss -ltnp"),)
            if proxy
            else ()
        )
        yield finding(
            "nat-rule-missing",
            container.name,
            seen,
            *masked,
            cure="restart the engine, which adds its rules again",
            commands=("systemctl restart docker",),
        )
        return
    own = {f"{one.ipv4}:{port.container_port}" for one in container.endpoints.values()}
    if address is not None and turned.rewritten_to is not None and turned.rewritten_to not in own:
        rule = turned.endings[0].rule
        told = f"a packet to host port {port.host_port} is led to {turned.rewritten_to}, not to {goal}"
        cure, commands = "delete the rule that leads it there", (deletion(rule),) if rule else ()
        yield finding("nat-rule-wrong", container.name, Evidence(told, NAT), cure=cure, commands=commands)
        return
    if turned.rewritten_to not in (goal, None):
        return  # it is published by another network of the container's
    onward = Packet(
        OUTSIDE,
        address,
        port.container_port,
        in_interface=uplink,
        out_interface=network.bridge.name if network.bridge else None,
        destination_is_local=False,
    )
    passes = fate(filters, onward, "forward")
    if passes.passes is False and enters:
        rule = passes.endings[0].rule
        text = f"{rule.tool} {rule.table}/{rule.chain}: {rule.text}" if rule else "the policy of filter/FORWARD"
        where = f"{rule.table}/{rule.chain}" if rule else "filter/FORWARD"
        seen = Evidence(f"a packet from outside to {goal} is dropped by {text}", "iptables -S")
        if rule is None or rule.position == 0:
            cure = "restart the engine, which adds the rules that allow its networks"
            yield finding("forward-policy", where, seen, cure=cure, commands=("systemctl restart docker",))
        else:
            cause = "legacy-filter-rule" if rule.tool.endswith("-legacy") else "filter-rule"
            cure = "delete that rule, or allow this before it"
            yield finding(cause, where, seen, cure=cure, commands=(deletion(rule),))
    elif passes.passes:
        yield Proof("publish", f"host port {port.host_port} is turned to {goal} and forwarded")


def has_entry(container: Replica, network: WiredNetwork) -> bool:
    """Whether the engine publishes by this network: the one that has the container's gateway (the first by name)."""
    with_gateway = sorted(name for name, one in container.endpoints.items() if one.gateway)
    return (
        bool(with_gateway) and len(with_gateway) == 1 and container.endpoints[with_gateway[0]].network_id == network.id
    )


def not_reached(way: Way, container: Replica, scene: Scene) -> Iterator[Finding]:
    """A published port that does not answer although the container's own address may."""
    port, outcome = way.published, way.last
    if port is None or outcome is None:
        return
    here = [one for one in scene.host.listeners or () if one.protocol == "tcp" and one.port == port.host_port]
    # An engine without docker-proxy reserves the port by listening itself, and accepts nothing.
    served = any(all(process.name != "dockerd" for process in one.processes) for one in here)
    show = f"docker port {quote(container.name)}"
    where = port.host_ip or "0.0.0.0"  # noqa: S104  # shown, not bound
    if outcome.connected:
        yield from not_the_proxy(way, container, here)
    elif not scene.local and ip_address(way.address).is_loopback:
        seen = Evidence(
            f"{way.address} is this host; the engine publishes its ports on another one", "docker context ls"
        )
        cure = "ask the host that the engine runs on"
        yield finding("foreign-engine", f"{way.address}:{port.host_port}", seen, cure=cure)
    elif port.protocol != "tcp":
        seen = Evidence(f"port {port.host_port} is published for {port.protocol} only, asked was TCP", show)
        yield finding("not-published", container.name, seen, cure=f"ask it over {port.protocol}, or publish TCP, too")
    elif way.address == "::1" and outcome.error == "ECONNREFUSED":
        seen = Evidence(f"port {port.host_port} is published on {where}, asked was ::1", show)
        yield (
            no_proxy(way, seen)
            if not served
            else finding("localhost-is-ipv6", "the host", seen, cure="ask 127.0.0.1, or publish the port on ::, too")
        )
    elif where not in ANYWHERE and where != way.address:
        seen = Evidence(f"port {port.host_port} is published on {where} only, asked was {way.address}", show)
        cause = "published-on-loopback" if ip_address(where).is_loopback else "not-published"
        yield finding(cause, container.name, seen, cure=f"ask {where}, or publish it on {way.address}, too")
    elif way.client is not None and not served:
        seen = Evidence(f"{way.client.name} asks {way.address}:{port.host_port} of the host from another bridge", show)
        yield no_proxy(way, seen)
    elif not here and outcome.error == "ECONNREFUSED":
        seen = Evidence(f"nothing listens at port {port.host_port}: docker-proxy is gone", "ss -ltnp")
        cure = "restart the container, which starts its docker-proxy again"
        yield finding("proxy-missing", container.name, seen, cure=cure, commands=(shell.restart(container.name),))


def not_the_proxy(way: Way, container: Replica, here: Sequence[Listener]) -> Iterator[Finding]:
    """A connection that somebody else than docker-proxy took."""
    for one in here:
        strangers = [process for process in one.processes if process.name != "docker-proxy"]
        address = ip_address(one.address.partition("%")[0])
        if strangers and (address.is_unspecified or str(address) == way.address):
            who = ", ".join(f"{process.name} (pid {process.pid})" for process in strangers[:3])
            seen = Evidence(
                f"{who} listens at {one.address}:{one.port} of the host and took the connection", "ss -ltnp"
            )
            cure = f"end that process, or publish {container.name} at another port or address"
            yield finding("other-listener", f"{way.address}:{one.port}", seen, cure=cure)


def no_proxy(way: Way, seen: Evidence) -> Finding:
    """Where docker-proxy is switched off, NAT alone serves published ports."""
    nobody = Evidence("no docker-proxy listens there: the engine runs with --userland-proxy=false", "ss -ltnp")
    who = way.client.name if way.client else "the host"
    cure = "share a network with the container and ask it by name; from the host ask 127.0.0.1 or the host's address"
    return finding("no-userland-proxy", who, seen, nobody, cure=cure)
