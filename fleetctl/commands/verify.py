"""fleetctl verify: who answers how often, and is that right?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import (
    FleetSource,
    PathType,
    answer_timeout_option,
    fleet_options,
    format_option,
)
from fleetctl.commands.session import opened, stoppable
from fleetctl.errors import FleetError, Interrupted, VerificationFailed
from fleetctl.spec.wording import told

if TYPE_CHECKING:
    from fleetctl.inquiry.verification import VerifyOptions, Watch
    from fleetctl.spec.model import Service
    from fleetctl.state.distribution import Verified
    from fleetctl.state.observed import Replica
    from fleetctl.state.rotation import Rotation

MOST_REQUESTS = 100_000
MOST_AT_ONCE = 64
HINTS = {
    "silent": "'fleetctl diagnose' says why a replica does not answer",
    "missing": "'fleetctl diagnose' says why a replica does not answer",
    "foreign": "'fleetctl ps -a' shows what runs; does another container answer to the service's name?",
    "duplicate": "every container has to make an identity of its own when it starts, not when its image is built",
    "wandering": "the identity has to be made once in each container, before its server starts workers",
    "failed": "'fleetctl diagnose' says why a server does not answer, and 'fleetctl logs' what it says itself",
    "nameless": "x-fleet: {http: {identity: …}} says where in an answer the identity stands; --path asks another one",
    "order": "verify again while nobody else asks",
    "uneven": "verify again while nobody else asks",
}
"""Kind of fault -> how to go on."""


@click.command("verify", short_help="Ask through the balancer many times and judge who answers.")
@click.argument("service", required=False)
@fleet_options
@click.option(
    "-n",
    "--requests",
    type=click.IntRange(1, MOST_REQUESTS),
    metavar="N",
    help="How often to ask.  [default: 10 times as often as there are replicas, at least 100]",
)
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(1, MOST_AT_ONCE),
    metavar="N",
    default=1,
    show_default=True,
    help="Clients that ask at the same time.",
)
@click.option(
    "--path", type=PathType(), help="The path to ask for.  [default: the service's x-fleet.http.path, or the URL's]"
)
@answer_timeout_option
@click.option(
    "--via",
    type=click.Choice(["balancer", "dns"]),
    default="balancer",
    show_default=True,
    help="Who spreads the requests: the fleet's balancer, or Docker's name server.",
)
@click.option("--url", metavar="URL", help="Ask there instead: a balancer that is not the fleet's.")
@click.option("--fresh/--keep-alive", help="Open a connection for every request.  [default: only with --url]")
@format_option
@click.pass_context
def command(
    context: click.Context,
    source: FleetSource,
    service: str | None,
    requests: int | None,
    concurrency: int,
    path: str | None,
    timeout: float,
    via: str,
    url: str | None,
    fresh: bool,
    output: str,
) -> None:
    """Ask every replica of SERVICE directly who it is, then ask many times through the balancer, and judge the answers:
    every replica answers, nobody else does, each is itself and no other, and each has its turn. Without SERVICE all
    that the fleet balances is verified.

    One client sees whether any N answers in a row come from N replicas; several at a time, whether the numbers of
    answers differ by at most one. Redirects are never followed and bodies are read up to 64 KiB. Exits 4 with what is
    wrong and with which replica."""
    from click.core import ParameterSource

    from fleetctl.inquiry.verification import VerifyOptions, Watch
    from fleetctl.view.distribution import Asked, show_verified, verified_document
    from fleetctl.view.documents import show_document

    if url is not None and context.get_parameter_source("via") is not ParameterSource.DEFAULT:
        raise click.UsageError("--url names whom to ask: --via does not go with it")
    if via == "dns":
        refuse_for_names(service, requests_differ=concurrency > 1 or path is not None or fresh)
    if context.get_parameter_source("fresh") is ParameterSource.DEFAULT:
        fresh = url is not None
    wanted = VerifyOptions(requests, concurrency, path, timeout, fresh)
    with stoppable() as stop:
        with Asked() as asked:
            verify = Verification(source, service, wanted, Watch(stop.event, asked), via, url)
            found = list(verify.run())
        if output == "json":
            show_document(verified_document(verify.fleet_name, found))
        else:
            show_verified(found)
        if stop.event.is_set():
            total = sum(one.distribution.asked for one in found)
            raise Interrupted(f"interrupted after {total} requests", signal_number=stop.number)
    refuse_faults(found)


def refuse_for_names(service: str | None, *, requests_differ: bool) -> None:
    """Raise UsageError for what does not go with asking a name server."""
    if service is None:
        raise click.UsageError("--via dns asks for the name of one service: say which, as in 'verify web --via dns'")
    if requests_differ:
        raise click.UsageError("--via dns asks for a name only: no --concurrency, --path or --fresh")


class Verification:
    """What one command verifies; `fleet_name` is known once it has run."""

    def __init__(
        self, source: FleetSource, service: str | None, wanted: VerifyOptions, watch: Watch, via: str, url: str | None
    ) -> None:
        self.source = source
        self.service = service
        self.wanted = wanted
        self.watch = watch
        self.via = via
        self.url = url
        self.fleet_name: str | None = None

    def run(self) -> Iterator[Verified]:
        """One judgement after the other, until a signal says stop."""
        from fleetctl.balancer.driver import Balancers
        from fleetctl.inquiry.verification import at_url, through_balancers

        if self.url is not None and self.service is None:
            yield at_url(self.url, self.wanted, self.watch, fleet=None, engine=None, service_name=None)
            return
        fleet = self.source.load()
        self.fleet_name = fleet.name
        with opened() as engine:
            if self.url is not None:
                yield at_url(self.url, self.wanted, self.watch, fleet=fleet, engine=engine, service_name=self.service)
            elif self.via == "dns":
                from fleetctl.inquiry.name_rounds import by_name
                from fleetctl.vantage.registry import open_vantage

                yield by_name(fleet, engine, open_vantage(engine), str(self.service), self.wanted, self.watch)
            else:

                def rotation_of(balancer: Replica, service: Service) -> Rotation | None:
                    # One that does not tell is judged without. A session that stayed open would keep it from stopping.
                    with suppress(FleetError), Balancers(engine, fleet.name) as balancers:
                        return balancers.look(balancer.id, balancer.name, service.balance)
                    return None

                for one in through_balancers(fleet, engine, self.service, self.wanted, self.watch, rotation_of):
                    yield one
                    if self.watch.stop.is_set():
                        return


def refuse_faults(found: Sequence[Verified]) -> None:
    """Raise VerificationFailed that says what is wrong and with which replica, where anything is."""
    faults = [fault for one in found for fault in one.distribution.faults]
    if faults:
        messages = dict.fromkeys(fault.message for fault in faults)
        hints = dict.fromkeys(HINTS[fault.kind] for fault in faults)
        raise VerificationFailed(told(messages), hint="\n".join(hints))
    if not found:
        raise FleetError("nothing was asked")
