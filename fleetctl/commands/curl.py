"""fleetctl curl: ask every replica by its own address."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import (
    FleetSource,
    PathType,
    answer_timeout_option,
    fleet_options,
    format_option,
)
from fleetctl.commands.session import opened, select_replicas
from fleetctl.errors import FleetError, VerificationFailed
from fleetctl.spec.wording import listed, told

if TYPE_CHECKING:
    from fleetctl.spec.model import Fleet
    from fleetctl.state.probes import ReplicaReply


@click.command("curl", short_help="Ask every replica over HTTP by its own address.")
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@click.option("--path", type=PathType(), help="The path to ask for.  [default: the service's x-fleet.http.path]")
@answer_timeout_option
@format_option
def command(source: FleetSource, names: tuple[str, ...], path: str | None, timeout: float, output: str) -> None:
    """Ask every replica over HTTP, each by its own address, and show what it answers and who it is.

    Redirects are never followed and bodies are read up to 64 KiB. Exits 4 when a replica does not answer, or when two
    give the same identity."""
    from fleetctl.check.replicas import check_replicas
    from fleetctl.view.documents import replies_document, show_document
    from fleetctl.view.tables import show_replies

    fleet = source.load()
    with opened() as engine:
        replicas = select_replicas(fleet, engine.observe_replicas(fleet.name), names)
        pairs = [
            (replica, fleet.services[replica.service]) for replica in replicas if replica.service in fleet.services
        ]
        replies = check_replicas(pairs, host=engine.host, path=path, timeout=timeout)
    if output == "json":
        show_document(replies_document(fleet.name, replies))
    elif replies:
        show_replies(replies)
    if not replies:
        raise nobody_to_ask(fleet, {replica.service for replica in replicas}, names)
    refuse_wrong_replies(replies)


def nobody_to_ask(fleet: Fleet, present: Collection[str], names: Collection[str]) -> FleetError:
    """Why nobody was asked; `present` are the services whose replicas were chosen, by `names` or all of them."""
    askable = [service for service in fleet.services.values() if service.http and (not names or service.name in names)]
    if present and not askable:
        return FleetError(
            f"fleet.yaml does not say how to ask {listed(sorted(present))}",
            hint="write x-fleet: {http: {port: …}} there; through a balancer 'fleetctl verify' asks",
        )
    hint = "start it with 'fleetctl up'"
    if askable and not any(service.replicas for service in askable):
        hint = f"fleet.yaml asks for none; 'fleetctl up --scale {askable[0].name}=1' starts one"
    return FleetError(f"fleet {fleet.name} has no replica to ask", hint=hint)


def refuse_wrong_replies(replies: Sequence[ReplicaReply]) -> None:
    """Raise VerificationFailed that names every replica whose answer is wrong."""
    wrong = [reply for reply in replies if reply.error is not None]
    if wrong:
        reasons = told(f"{reply.replica}: {reply.error}" for reply in wrong)
        raise VerificationFailed(
            f"{len(wrong)} of {len(replies)} replicas did not answer as they should: {reasons}",
            hint=f"see 'fleetctl logs {wrong[0].service}' and 'fleetctl inspect-network'",
        )
