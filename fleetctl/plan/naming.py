"""How actions are called: what is done, and to whom."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.plan.actions import (
    Action,
    AddServer,
    AwaitReplica,
    BuildImage,
    ConfigureBalancer,
    ConnectNetwork,
    CreateNetwork,
    CreateReplica,
    CreateVolume,
    Delay,
    DisconnectNetwork,
    DrainServer,
    PullImage,
    RemoveImage,
    RemoveNetwork,
    RemoveReplica,
    RemoveVolume,
    RenameReplica,
    RestartReplica,
    StartReplica,
    StopReplica,
    Tally,
    UnpauseReplica,
)

VERBS: Mapping[type, str] = {
    CreateNetwork: "create network",
    RemoveNetwork: "remove network",
    CreateVolume: "create volume",
    RemoveVolume: "remove volume",
    BuildImage: "build image",
    PullImage: "pull image",
    RemoveImage: "remove image",
    CreateReplica: "create",
    ConnectNetwork: "connect",
    DisconnectNetwork: "disconnect",
    StartReplica: "start",
    StopReplica: "stop",
    RestartReplica: "restart",
    UnpauseReplica: "unpause",
    RenameReplica: "rename",
    RemoveReplica: "remove",
    AwaitReplica: "await",
    Delay: "wait",
    Tally: "tally",
    ConfigureBalancer: "configure",
    AddServer: "add server",
    DrainServer: "drain server",
}
WATCH = "watch"


def verb(action: Action) -> str:
    """The action's name for people and for `plan --format json`, stable. Who was seen ready is awaited once more, and
    counted once."""
    return WATCH if isinstance(action, AwaitReplica) and action.seen else VERBS[type(action)]


def names(action: Action) -> tuple[str, ...]:
    """What the action is done to, in the names people know: one, or two things that have to do with each other."""
    match action:
        case CreateNetwork():
            return (action.network.engine_name,)
        case RemoveNetwork():
            return (action.network.name,)
        case CreateVolume():
            return (action.volume.engine_name,)
        case RemoveVolume():
            return (action.volume_name,)
        case BuildImage() | PullImage() | RemoveImage():
            return (action.reference,)
        case CreateReplica():
            return (action.container_name,)
        case ConnectNetwork() | DisconnectNetwork():
            return (action.replica.name, action.network.name)
        case RenameReplica():
            return (action.replica.name, action.container_name)
        case ConfigureBalancer():
            return (action.balancer.name,)
        case AddServer() | DrainServer():
            return (action.replica.name, action.balancer.name)
        case Tally():
            return (action.service_name,)
        case Delay():
            return (f"{action.seconds:g}s",)
        case _:
            return (action.replica.name,)


def target(action: Action) -> str:
    """The same as part of a sentence."""
    return f" {BETWEEN.get(type(action), '')} ".join(names(action))


BETWEEN = {ConnectNetwork: "to", DisconnectNetwork: "from", RenameReplica: "to", AddServer: "at", DrainServer: "at"}
