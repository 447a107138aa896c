"""Asks Docker's own name server for a service again and again, as a container would, and sees whom it names first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic

from fleetctl.check.distribution import enough, judge
from fleetctl.engine.docker_host import DockerHost
from fleetctl.errors import FleetError
from fleetctl.inquiry.verification import VerifyOptions, Watch, running
from fleetctl.plan.order import find_service
from fleetctl.spec.model import Fleet
from fleetctl.state.distribution import Answer, Member, Promise, Series, Verified
from fleetctl.state.observed import Replica
from fleetctl.state.probes import NOT_ASKED, Question, Resolution
from fleetctl.vantage.base import Request, Vantage

AT_A_TIME = 500
"""Questions of one request to a vantage: for a helper container each request is a container."""
BY_CHANCE = 500
"""Questions that tell a crooked share from chance."""
WHY = "Docker's name server shuffles its answers"


def by_name(
    fleet: Fleet, engine: DockerHost, vantage: Vantage, service_name: str, wanted: VerifyOptions, watch: Watch
) -> Verified:
    """Which replica comes first in each answer. Raises FleetError where nobody can be asked."""
    service = find_service(fleet, service_name)
    everything = [one for one in engine.everything()[0] if one.fleet == fleet.name]
    own = [one for one in everything if one.service == service_name]
    client = with_pid(client_of(everything, running(everything, service), service_name), engine)
    total = wanted.requests or max(BY_CHANCE, enough(len(own), turns=False))
    began = monotonic()
    found: list[Resolution] = []
    while len(found) < total and not watch.stop.is_set():
        question = Question(client.pid or 0, service_name, wanted.timeout)
        answer = vantage.ask(Request(questions=(question,) * min(AT_A_TIME, total - len(found))))
        found += answer.resolutions
        watch.told(len(found), total)
    if found and all(one.error == NOT_ASKED for one in found):
        raise FleetError(f"nobody can ask from within {client.name}", hint="\n".join(vantage.reasons) or None)
    members, names = members_of(own, found)
    names = {**named_strangers(engine, found, names), **names}
    series = Series(tuple(answer_of(one, names) for one in found), 1, monotonic() - began, total)
    distribution = judge(series, members, Promise(turns=False, why=WHY, random=True))
    server = next((one.server for one in found if one.server), None)
    where = f"{service_name} as {client.name} resolves it"
    return Verified("dns", where, distribution, service_name, server)


def members_of(own: Sequence[Replica], found: Sequence[Resolution]) -> tuple[list[Member], dict[str, str]]:
    """The replicas, each by one address, and address -> that one. The server answers from one network that both are
    in: of a replica in several networks the address that was given counts."""
    given = {address for one in found for address in one.addresses}
    members: list[Member] = []
    names: dict[str, str] = {}
    for one in own:
        if one.state != "running" or not one.addresses:
            members.append(Member(one.name, error=f"it is {one.state}"))
            continue
        shown = min(one.addresses, key=lambda address: (address not in given, address))
        names |= dict.fromkeys(one.addresses, shown)
        members.append(Member(one.name, (shown,)))
    return members, names


def client_of(everything: Sequence[Replica], targets: Sequence[Replica], service_name: str) -> Replica:
    """A running container of the fleet that shares a network with the service: another service's, if there is one."""
    networks = {name for one in targets for name in one.endpoints}
    near = [one for one in everything if one.state == "running" and networks & set(one.endpoints)]
    return next((one for one in near if one.service != service_name), targets[0])


def with_pid(client: Replica, engine: DockerHost) -> Replica:
    """As inspection has it, which alone tells the pid. Raises FleetError where it does not run any more."""
    found = engine.inspect_replica(client)
    if found is None or not found.pid:
        raise FleetError(f"{client.name} has ended meanwhile", hint="run the command again")
    return found


def named_strangers(engine: DockerHost, found: Sequence[Resolution], names: Mapping[str, str]) -> dict[str, str]:
    """What to call addresses that no replica of the service has: with the container's name, where the engine knows."""
    strange = {one.addresses[0] for one in found if one.addresses} - set(names)
    if not strange:
        return {}
    owners = {address: one.name for one in engine.everything()[0] for address in one.addresses}
    return {address: f"{address} ({owners[address]})" if address in owners else address for address in strange}


def answer_of(resolution: Resolution, names: Mapping[str, str]) -> Answer:
    """The first address counts: what most clients take that do not sort."""
    if resolution.error is not None or not resolution.addresses:
        return Answer(failure=resolution.error or "no address", milliseconds=resolution.milliseconds)
    return Answer(names[resolution.addresses[0]], resolution.milliseconds)
