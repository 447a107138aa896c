"""Decides what becomes of a replica that is there: nothing, mended in place, started, or left to the rollout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fleetctl.plan.actions import (
    ConfigureBalancer,
    ConnectNetwork,
    DisconnectNetwork,
    Ref,
    RemoveReplica,
    RenameReplica,
    StartReplica,
    UnpauseReplica,
)
from fleetctl.plan.launch import (
    Outdated,
    Reached,
    ServiceWork,
    add_await,
    awaits_health,
    is_outdated,
    newest,
    plan_comeback,
    ref,
)
from fleetctl.plan.order import has_done_its_work
from fleetctl.plan.reasons import changed_keys, describe_changes
from fleetctl.plan.rotation import UNREADY, moved, out_of_rotation, plan_entry, plan_retreat
from fleetctl.plan.steps import Draft
from fleetctl.plan.teardown import plan_removal
from fleetctl.state.observed import AT_REST, Replica


def plan_kept(
    draft: Draft, work: ServiceWork, replica: Replica, reached: Reached, *, after: tuple[str, ...]
) -> tuple[str, ...]:
    """Leave a good replica alone, mend what can be mended in place, hand the rest to the rollout. Returns the steps
    after which one that is mended does its work."""
    if replica.id in reached.entering and replica.state != "running":
        replica = replace(replica, state="running", health="healthy")  # else nothing of this comes about
    reason = replacement_reason(work, replica)
    if reason:
        told = moved(work.pools, replica)
        if told and replica.state == "running":
            # Before anybody is taken out of rotation, the right ones have to be in it.
            label = work.label(replica.number)
            reached.cleared += plan_entry(draft, work.pools, label, ref(replica), told, after=after)
        reached.outdated.append(Outdated(replica, reason, after))
        return ()
    reached.staying.add(replica.id)
    if has_done_its_work(work.fleet, replica):
        return ()
    repairs = plan_memberships(draft, work, replica)
    before = (*after, *repairs)
    outside = None if replica.id in reached.entering else out_of_rotation(work.pools, replica)
    enters = replica.state != "running" or outside is not None
    match replica.state:
        case "created" | "exited" | "paused" | "restarting":
            because = why_it_does_not_run(replica)
            before = plan_revival(draft, work, replica, because, reached, after=before)
        case _ if repairs:
            because = "its networks were mended"
        case _ if outside is not None:
            because = outside
        case _ if replica.health == "starting" and awaits_health(work.service):
            because = "its health is not known yet"
        case _ if work.needed:
            because = "other services start after it"
        case _:
            return ()
    woken = replica.state == "paused" or replica.health == "unhealthy"  # else it would be replaced
    ready = add_await(draft, work, ref(replica), because, after=before, woken=woken)
    reached.ready.append(ready)
    entered = plan_entry(draft, work.pools, replica.label, ref(replica), because, after=(ready,)) if enters else ()
    return (ready, *entered)


def why_it_does_not_run(replica: Replica) -> str:
    match replica.state:
        case "created":
            return "it was created and never started"
        case "exited":
            return f"it has exited with code {replica.exit_code}"
        case state:
            return f"it is {state}"


def plan_revival(
    draft: Draft, work: ServiceWork, replica: Replica, because: str, reached: Reached, *, after: tuple[str, ...]
) -> tuple[str, ...]:
    """Add the steps that let a container run again; returns those after which it can be awaited. A balancer is told
    first who runs by then."""
    if replica.state == "paused":
        return (draft.add(UnpauseReplica(ref(replica)), because, after=after),)
    if work.service.balance:
        settled = ConfigureBalancer(ref(replica), work.service.balance)
        after = (draft.add(settled, because, after=after, behind=work.balanced),)
    after = (*work.after, *after)
    if replica.state == "restarting":
        return after  # the engine does it
    start = draft.add(StartReplica(ref(replica)), because, after=after)
    reached.started.append(start)
    return (start,)


def replacement_reason(work: ServiceWork, replica: Replica) -> str | None:
    """Why the replica has to be replaced by a new one, None when it can stay."""
    changed = changed_keys(replica.digests, work.digests)
    if changed and work.wishes.restoring:
        return "the former release is put back"
    if changed and not work.wishes.no_recreate:
        return describe_changes(f"services.{work.service.name}", changed)
    if work.wishes.force_recreate:
        return "--force-recreate was asked for"
    if replica.state == "running" and replica.health == "unhealthy" and not is_found_well(work, replica):
        return "it is unhealthy"
    return lost_network(work, replica)


def is_found_well(work: ServiceWork, replica: Replica) -> bool:
    """Whether there is newer word than the check of the image, which may have come while the replica was paused, and
    for half a minute there is no other: a balancer that answers, or one that finds its server healthy."""
    if awaits_health(work.service):
        return False
    servers = (pool.server_of(replica.id) for pool in work.pools)
    return replica.id in work.telling or any(server is not None and server.healthy for server in servers)


def lost_network(work: ServiceWork, replica: Replica) -> str | None:
    """Why a replica cannot be plugged in where it belongs: it refers to a network that is gone or is another one. A
    container remembers its first network by id, so one at rest that has lost a network would not start again."""
    for key in work.service.networks:
        network = work.network_refs[key]
        endpoint = replica.endpoints.get(network.name)
        if network.id is None:
            return f"network {network.name} is made anew"
        if endpoint is None and replica.state in AT_REST:
            return f"it is not connected to {network.name}"
        if endpoint is not None and endpoint.network_id not in ("", network.id):
            return f"it is connected to another network of the name {network.name}"
    return None


def plan_memberships(draft: Draft, work: ServiceWork, replica: Replica) -> list[str]:
    """Plug a replica into the networks it should be in and out of those it should not; returns the steps."""
    steps: list[str] = []
    wanted = {work.network_refs[key].name: key for key in work.service.networks}
    for name, key in wanted.items():
        if name not in replica.endpoints:
            steps.append(
                draft.add(
                    ConnectNetwork(ref(replica), work.network_refs[key], work.service.name, work.service.networks[key]),
                    f"it is not connected to {name}",
                    after=work.after,
                )
            )
    for name, endpoint in replica.endpoints.items():
        if name not in wanted and wanted:
            steps.append(
                draft.add(
                    DisconnectNetwork(ref(replica), Ref(name, id=endpoint.network_id or None)),
                    f"services.{work.service.name}.networks does not name {name}",
                    after=tuple(steps),
                )
            )
    return steps


def preference(replica: Replica, work: ServiceWork) -> tuple[bool, bool, bool, bool, str]:
    """Sort key among containers of one number: what runs comes before what does not, for it may be all that serves;
    then what is up to date, in rotation, healthy, and by name."""
    return (
        replica.state != "running",
        replica.digests != work.digests,
        out_of_rotation(work.pools, replica) is not None,
        replica.health == "unhealthy",
        replica.name,
    )


def expendability(rivals: Sequence[Replica], work: ServiceWork) -> tuple[int, bool, int]:
    """Sort key among the numbers of a service, by the containers of each, the preferred one first: those that do their
    work are kept before those that only run, and these before the rest; then what is up to date, and low numbers."""
    best = rivals[0]
    idle = 0 if any(does_its_work(work, one) for one in rivals) else 1 if best.state == "running" else 2
    return idle, is_outdated(best, work.digests), best.number


def does_its_work(work: ServiceWork, replica: Replica) -> bool:
    """Whether nothing that the engine or a balancer tells keeps it from serving, or it has done what it was for."""
    if replica.state != "running":
        return has_done_its_work(work.fleet, replica)
    unwell = replica.health == "unhealthy" and not is_found_well(work, replica)
    unknown = replica.health == "starting" and awaits_health(work.service)
    plugged = all(work.network_refs[key].name in replica.endpoints for key in work.service.networks)
    servers = [pool.server_of(replica.id) for pool in work.pools]
    balanced = out_of_rotation(work.pools, replica) is None and all(one is not None and one.healthy for one in servers)
    return plugged and balanced and not unwell and not unknown


def resolve_rivals(
    draft: Draft, work: ServiceWork, best: Replica, rest: list[Replica], reached: Reached
) -> tuple[str, ...]:
    """Two containers of one number are what an interrupted update leaves: the better one stays and gets the name.
    Returns the steps after which the name is free or right."""
    after: tuple[str, ...] = ()
    doubt = why_in_doubt(work, best, rest)
    if doubt:
        after = plan_trial(draft, work, best, rest, doubt, reached)
    for replica in rest:
        because = f"an earlier update left it beside {best.name}"
        grace = work.wishes.grace
        behind = work.balanced  # they are in this one's rotation, too
        gone = plan_removal(draft, replica, because, grace=grace, after=after, behind=behind, pools=work.pools)
        after = (gone,)
    name = work.container_name(best.number)
    if best.name != name and replacement_reason(work, best) is None:  # else its successor gets the name
        because = "an earlier update left it under another name"
        after = (draft.add(RenameReplica(ref(best), name), because, after=after),)
    return after


def why_in_doubt(work: ServiceWork, best: Replica, rest: Sequence[Replica]) -> str | None:
    """Why it has to be seen whether the best of several containers does its work before the others go; None where it
    was seen already, or need not be, or cannot."""
    if not rest or is_outdated(best, work.digests) or has_done_its_work(work.fleet, best):
        return None
    unseen = "an earlier update stopped before it was ready"
    if best.state == "running":
        return out_of_rotation(work.pools, best) or (unseen if best.name != work.container_name(best.number) else None)
    # An older one that is wanted again may need what the newer one has.
    return unseen if newest((best, *rest)) is best and lost_network(work, best) is None else None


def plan_trial(
    draft: Draft, work: ServiceWork, best: Replica, rest: Sequence[Replica], because: str, reached: Reached
) -> tuple[str, ...]:
    """Add the steps that see whether it does its work, in rotation, if there is one. Where it does not it is removed,
    and the best of the rest is started again if it was stopped for this one. Returns those that it can fail at once it
    runs."""
    label, monitor = work.label(best.number), work.service.update.monitor
    gives_way = f"{UNREADY}; {rest[0].name} {'is started again' if stopped(rest[0]) else 'stays'}"
    first, before = len(draft.steps), tuple[str, ...]()
    if best.state != "running":
        before = plan_revival(draft, work, best, because, reached, after=())
    revived = tuple(step.id for step in draft.steps[first:])
    ready = add_await(draft, work, ref(best), because, after=before, monitor=monitor, woken=best.state == "paused")
    trials = (ready, *plan_entry(draft, work.pools, label, ref(best), because, after=(ready,)))
    reached.entering.add(best.id)
    cleared: tuple[str, ...] = ()
    if revived:
        cleared = (draft.add(RemoveReplica(ref(best)), gives_way, behind=revived, only_if_failed=revived),)
    removed = plan_retreat(draft, work.pools, label, ref(best), trials, gives_way)
    if stopped(rest[0]):
        failed, behind = (*revived, *trials), (*cleared, removed)
        if work.service.balance:
            # Those that it knew when it was stopped may have been replaced since.
            settled = ConfigureBalancer(ref(rest[0]), work.service.balance)
            behind = (draft.add(settled, gives_way, behind=behind, only_if_failed=failed),)
        plan_comeback(draft, work, rest[0], failed=failed, behind=behind)
    return trials


def stopped(replica: Replica) -> bool:
    """Whether an update may have stopped it for its successor."""
    return replica.state == "exited"
