"""fleetctl up: make the fleet what fleet.yaml says, and show that it answers."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fleetctl.commands.options import FleetSource, ScaleType, fleet_options, format_option, grace_option, wait_option
from fleetctl.commands.session import confirm_outage, run_to_end

if TYPE_CHECKING:
    from fleetctl.engine.docker_host import DockerHost
    from fleetctl.plan.outcome import RunReport
    from fleetctl.plan.steps import Plan
    from fleetctl.spec.model import Fleet, Service
    from fleetctl.state.observed import Replica
    from fleetctl.state.probes import ReplicaReply
    from fleetctl.view.progress import Progress
    from fleetctl.work import Order


@click.command("up", short_help="Launch the fleet and show that it answers.")
@click.argument("services", nargs=-1, metavar="[SERVICE]…")
@fleet_options
@click.option("-d", "--detach", is_flag=True, help="Accepted out of habit: up always returns once all is ready.")
@click.option("--build", is_flag=True, help="Build images even when their context has not changed.")
@click.option(
    "--pull",
    type=click.Choice(["always", "missing", "never"]),
    help="When to pull images, whatever their pull_policy says.",
)
@click.option("--scale", type=ScaleType(), multiple=True, help="Run this many replicas of a service, this time.")
@click.option("--force-recreate", is_flag=True, help="Replace every replica, changed or not.")
@click.option("--no-recreate", is_flag=True, help="Keep existing replicas even when they are outdated.")
@click.option("--no-deps", is_flag=True, help="Leave out the services that the named ones depend on.")
@click.option("--remove-orphans", is_flag=True, help="Remove replicas of services that are not in the file any more.")
@grace_option
@wait_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a network is made anew.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and why, and do nothing.")
@click.option(
    "--parallel", type=click.IntRange(1, 64), default=8, show_default=True, help="Engine calls at a time, stops aside."
)
@format_option
def command(
    source: FleetSource,
    services: tuple[str, ...],
    detach: bool,
    build: bool,
    pull: str | None,
    scale: tuple[tuple[str, int], ...],
    force_recreate: bool,
    no_recreate: bool,
    no_deps: bool,
    remove_orphans: bool,
    timeout: float | None,
    wait_timeout: float,
    yes: bool,
    dry_run: bool,
    parallel: int,
    output: str,
) -> None:
    """Launch the fleet: build, create, start, wait until every replica answers, and show them.

    Does only what is missing; run it again at any time. Outdated replicas are replaced one by one, the new one
    ready before the old one goes."""
    from fleetctl.plan.wishes import Wishes
    from fleetctl.work import Order

    if force_recreate and no_recreate:
        raise click.UsageError("--force-recreate and --no-recreate exclude each other")
    fleet = source.load(dict(scale))
    wishes = Wishes(
        services=services,
        dependencies=not no_deps,
        force_recreate=force_recreate,
        no_recreate=no_recreate,
        remove_orphans=remove_orphans,
        grace=timeout,
    )
    order = Order(
        wishes=wishes,
        build=build,
        pull=pull,  # type: ignore[arg-type]  # click.Choice checked it
        workers=parallel,
        wait_timeout=wait_timeout,
        doing="up",
    )
    if dry_run:
        from fleetctl.commands.plan import show_preview

        show_preview(fleet, order, output)
        return
    launch(fleet, order, output=output, yes=yes)


def launch(fleet: Fleet, order: Order, *, output: str = "table", yes: bool = False) -> None:
    """Deploy, wait for replicas that were there and do not answer yet, and show all of them."""
    from fleetctl.commands.session import say_if_idle
    from fleetctl.controller import await_replicas, deploy

    tell_opt_outs(fleet)
    ask = confirm_outage(yes)
    pictures: list[Picture] = []

    def work(engine: DockerHost, progress: Progress, stop: threading.Event) -> RunReport:
        def prepare(plan: Plan) -> None:
            progress.prepare(plan)
            ask(plan, progress)

        report = deploy(fleet, engine, progress, order, stop=stop, prepare=prepare)
        if report.failures or report.interrupted:
            return report
        picture = take_picture(fleet, engine)
        if silent := picture.silent(fleet):
            report += await_replicas(fleet, engine, progress, silent, order, stop=stop, prepare=prepare)
            picture = take_picture(fleet, engine)
        pictures.append(picture)
        return report

    say_if_idle(run_to_end(work, command=order.doing))
    pictures[-1].show(fleet, output)


def tell_opt_outs(fleet: Fleet) -> None:
    """Name every place where a service has less than the restricted baseline."""
    from fleetctl.spec.baseline import opt_outs
    from fleetctl.view.terminal import warn

    for service in fleet.services.values():
        for told in opt_outs(service):
            warn(told)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is shown at the end: every replica, what it answered, and its veth on the host by name."""

    replicas: tuple[Replica, ...]
    replies: tuple[ReplicaReply, ...]
    veths: Mapping[str, str]
    entrances: Mapping[str, tuple[str, ...]]
    """By service, the URLs at which the engine's host answers for its replicas."""
    idle: Mapping[tuple[str, str], tuple[str, ...]]
    """By balancer and the service of which none runs, the URLs at which there is nobody to answer."""

    def silent(self, fleet: Fleet) -> list[Replica]:
        """The replicas that run and do not answer."""
        answered = {reply.replica for reply in self.replies if reply.reply.answered}
        asked = {reply.replica for reply in self.replies}
        return [
            replica
            for replica in self.replicas
            if replica.name in asked and replica.name not in answered and replica.service in fleet.services
        ]

    def show(self, fleet: Fleet, output: str) -> None:
        """Print it. Raises VerificationFailed when a replica does not answer as it should."""
        from fleetctl.commands.curl import refuse_wrong_replies
        from fleetctl.view.documents import fleet_document, show_document
        from fleetctl.view.tables import show_entrances, show_fleet

        if output == "json":
            show_document(fleet_document(fleet, self.replicas, self.replies, self.veths))
        else:
            show_fleet(self.replicas, self.replies, self.veths)
            show_entrances(self.entrances)
            self.tell_idle()
        refuse_wrong_replies(self.replies)

    def tell_idle(self) -> None:
        """Say where balancers have nobody to send to."""
        from fleetctl.spec.wording import listed
        from fleetctl.view.terminal import note

        for (balancer, behind), urls in self.idle.items():
            note(f"{balancer} answers 503 at {listed(urls, 3)}: no replica of {behind} runs")


def take_picture(fleet: Fleet, engine: DockerHost) -> Picture:
    """Ask every replica and look where its veth is."""
    from fleetctl.check.replicas import check_replicas
    from fleetctl.net.join import join_topology
    from fleetctl.vantage.base import Request
    from fleetctl.vantage.engine_only import EngineOnly
    from fleetctl.vantage.local import Local
    from fleetctl.vantage.registry import why_not_here

    observed = engine.observe(fleet.name)
    replicas = engine.inspect(observed.replicas)
    pairs = [(replica, fleet.services[replica.service]) for replica in replicas if replica.service in fleet.services]
    replies = check_replicas(pairs, host=engine.host)
    # The name of a veth is not worth a helper container.
    elsewhere = why_not_here(engine)
    vantage = EngineOnly((elsewhere,)) if elsewhere else Local()
    answer = vantage.ask(Request(tuple(replica.pid for replica in replicas if replica.pid)))
    topology = join_topology(fleet.name, observed.own_networks(), replicas, answer.host, answer.namespaces)
    veths = {
        attachment.replica: attachment.veth.name
        for network in topology.networks
        for attachment in network.attachments
        if attachment.veth is not None
    }
    mute = {reply.replica for reply in replies if reply.error is not None}
    entrances, idle = find_entrances(pairs, mute, engine.host)
    return Picture(replicas, replies, veths, entrances, idle)


def find_entrances(
    pairs: Iterable[tuple[Replica, Service]], mute: Collection[str], host: str | None
) -> tuple[dict[str, tuple[str, ...]], dict[tuple[str, str], tuple[str, ...]]]:
    """The `entrances` of a picture, and those that are `idle`. Those replicas in `mute` answer nobody; `host` is the
    engine's, None for this one."""
    from fleetctl.check.reach import entrances_of

    alive = [(replica, service) for replica, service in pairs if replica.state == "running"]
    running = {service.name for _, service in alive}
    entrances: dict[str, tuple[str, ...]] = {}
    idle: dict[tuple[str, str], tuple[str, ...]] = {}
    for replica, service in alive:
        for one in entrances_of(replica, service, host) if replica.name not in mute else ():
            if one.service_name in running:
                entrances[service.name] = (*entrances.get(service.name, ()), one.url)
            else:
                key = service.name, one.service_name
                idle[key] = (*idle.get(key, ()), one.url)
    return entrances, idle
