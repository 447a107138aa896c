"""Why keys that Compose knows are refused here, and what to write instead: read by messages and by the docs."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """Why a key is refused, and what to do instead."""

    message: str
    hint: str | None = None


_HOST = "it opens the host to the container"
_SWARM = Reason("not yet supported: it needs Docker Swarm", "delete it; on one host it changes nothing")
_LIMITS = Reason("limits have one place here", "use deploy.resources")
_LATER = Reason("not yet supported", "delete it")
_ENGINE = Reason("the classic builder, which works with every engine, has no such option", "delete it")
_IMAGE = Reason("a replica is made from its image and the baseline alone", "build it into the image")
_NAMES = Reason(
    "name resolution is left to the engine, so that every replica sees the same", "use networks and aliases"
)
_BALANCE = Reason("a balancer is a service like any other", "write it in that service: services.NAME.x-fleet.balance")
_ONE_EXTENSION = Reason("x-fleet is the only extension key", "write YAML anchors at their first use instead")
_DEVICE = Reason(_HOST, "no flag allows it; run such a container by hand")
_IDENTITY = Reason("it would be the same on every replica", "leave addresses and names to the engine")

REFUSED: dict[str, dict[str, Reason]] = {
    "Document": {
        "include": Reason("a fleet is written in the files given by -f", "pass several -f; they merge"),
        "models": _LATER,
    },
    "FleetExtension": {"balance": _BALANCE, "balancer": _BALANCE},
    "ServiceShape": {
        "annotations": Reason("labels have one place here", "use labels"),
        "attach": Reason("up never attaches to output", "use fleetctl logs"),
        "blkio_config": _LIMITS,
        "cgroup": _DEVICE,
        "cgroup_parent": _DEVICE,
        "container_name": Reason(
            "replicas are named FLEET-SERVICE-N, and one name cannot serve several", "use networks.NETWORK.aliases"
        ),
        "cpu_count": _LIMITS,
        "cpu_percent": _LIMITS,
        "cpu_period": _LIMITS,
        "cpu_quota": _LIMITS,
        "cpu_rt_period": _LIMITS,
        "cpu_rt_runtime": _LIMITS,
        "cpu_shares": _LIMITS,
        "cpus": Reason("limits have one place here", "use deploy.resources.limits.cpus"),
        "cpuset": _LIMITS,
        "credential_spec": _LATER,
        "develop": _LATER,
        "device_cgroup_rules": _DEVICE,
        "devices": _DEVICE,
        "dns": _NAMES,
        "dns_opt": _NAMES,
        "dns_search": _NAMES,
        "domainname": _NAMES,
        "extends": Reason("not yet supported", "use a YAML anchor, or several -f"),
        "external_links": Reason("links are a thing of Docker's past", "share a network"),
        "extra_hosts": _NAMES,
        "gpus": _DEVICE,
        "group_add": Reason("not yet supported", "use user: UID:GID"),
        "ipc": Reason("the host's and other containers' IPC stay closed", "share data over the network"),
        "isolation": Reason("it is for Windows only", "delete it"),
        "label_file": Reason("labels have one place here", "use labels"),
        "links": Reason("links are a thing of Docker's past", "share a network; names resolve there"),
        "mac_address": _IDENTITY,
        "mem_limit": Reason("limits have one place here", "use deploy.resources.limits.memory"),
        "mem_reservation": Reason("limits have one place here", "use deploy.resources.reservations.memory"),
        "mem_swappiness": _LIMITS,
        "memswap_limit": _LIMITS,
        "models": _LATER,
        "network_mode": Reason(
            "replicas live on user-defined bridges, where each has its own veth and address",
            "use networks; publish ports to be reached from outside",
        ),
        "oom_kill_disable": _LIMITS,
        "oom_score_adj": _LIMITS,
        "pid": Reason("a container must not see the processes of the host or of others", "use fleetctl top"),
        "pids_limit": Reason("limits have one place here", "use deploy.resources.limits.pids"),
        "platform": Reason("not yet supported: the engine's own platform is used", "delete it"),
        "post_start": _IMAGE,
        "pre_stop": _IMAGE,
        "privileged": Reason("it gives the host away", "name the capabilities needed in cap_add"),
        "provider": _LATER,
        "pull_refresh_after": Reason("not yet supported", "write pull_policy: always, and pull when you want to"),
        "runtime": Reason("not yet supported: the engine's default runtime is used", "delete it"),
        "scale": Reason("the number of replicas has one place here", "use deploy.replicas, or fleetctl scale"),
        "shm_size": Reason("not yet supported", "mount a tmpfs at /dev/shm"),
        "stdin_open": Reason("replicas are servers and have no input", "use fleetctl exec"),
        "storage_opt": _LIMITS,
        "tty": Reason("replicas are servers and have no terminal", "use fleetctl exec"),
        "use_api_socket": Reason("whoever holds the engine's socket is root on the host", "delete it"),
        "userns_mode": Reason("the host's user namespace stays closed", "delete it"),
        "uts": Reason("the host's name stays its own", "use hostname"),
        "volumes_from": Reason("mounts have one place here", "name the volume in both services"),
    },
    "BuildShape": dict.fromkeys(
        (
            "additional_contexts",
            "cache_from",
            "cache_to",
            "dockerfile_inline",
            "entitlements",
            "extra_hosts",
            "isolation",
            "labels",
            "network",
            "no_cache",
            "platforms",
            "privileged",
            "provenance",
            "pull",
            "sbom",
            "secrets",
            "shm_size",
            "ssh",
            "tags",
            "ulimits",
        ),
        _ENGINE,
    ),
    "MembershipShape": {
        "driver_opts": _LATER,
        "gw_priority": _LATER,
        "interface_name": _LATER,
        "ipv6_address": _IDENTITY,
        "link_local_ips": _IDENTITY,
        "mac_address": _IDENTITY,
        "priority": _LATER,
    },
    "MountShape": {
        "consistency": Reason("it has no effect on Linux", "delete it"),
        "image": _LATER,
        "volume": _LATER,
    },
    "BindShape": {
        "propagation": Reason("mounts made inside must not spread to the host", "delete it"),
        "recursive": _LATER,
        "selinux": _LATER,
    },
    "FileMountShape": {
        key: Reason("on one host the file itself is mounted and keeps its own owner and mode", "set them on the file")
        for key in ("uid", "gid", "mode")
    },
    "EnvFileShape": {"format": Reason("there is one format here", "quote values with '...' to keep $ as it is")},
    "DeployShape": {"placement": _SWARM},
    "RestartPolicyShape": {
        key: Reason("one Docker host has no such setting: it waits 100 ms, then twice as long each time", "delete it")
        for key in ("delay", "window")
    },
    "ReservationsShape": {
        "cpus": Reason("not yet supported: only Docker Swarm can set processors aside", "use limits.cpus"),
        "devices": _DEVICE,
        "generic_resources": _SWARM,
    },
    "IpamShape": {"options": _LATER},
    "FileShape": {
        "content": Reason("not yet supported: only files of the project can be mounted", "write file:"),
        "environment": Reason("not yet supported: only files of the project can be mounted", "write file:"),
        "external": Reason("not yet supported: it needs Docker Swarm", "write file:"),
        "driver": _SWARM,
        "driver_opts": _SWARM,
        "labels": _SWARM,
        "name": _SWARM,
        "template_driver": _SWARM,
    },
    # KEY=VALUE for values that Compose knows.
    "values": {
        "mode=global": Reason("not yet supported: it needs Docker Swarm", "write replicated"),
        "mode=replicated-job": Reason("not yet supported: it needs Docker Swarm", "write replicated"),
        "mode=global-job": Reason("not yet supported: it needs Docker Swarm", "write replicated"),
        "endpoint_mode=vip": Reason(
            "not yet supported: one address for all replicas needs Docker Swarm", "write dnsrr, or delete it"
        ),
        # Only rollback_config refuses it.
        "failure_action=rollback": Reason("there is nothing to go back to from a rollback", "write pause or continue"),
        "driver=overlay": Reason("not yet supported: it needs Docker Swarm", "write bridge"),
        **{
            f"driver={driver}": Reason("replicas live on user-defined bridges", "write bridge")
            for driver in ("host", "none", "macvlan", "ipvlan")
        },
        **{
            f"type={kind}": Reason("not yet supported", "use a volume, a bind or a tmpfs")
            for kind in ("npipe", "cluster", "image")
        },
        **{
            f"pull_policy={policy}": Reason("not yet supported", "write always, and pull when you want to")
            for policy in ("daily", "weekly", "refresh")
        },
    },
}


def reason_for(shape_name: str, key: str) -> Reason | None:
    """Why a shape of compose.py refuses this key (or `values` a KEY=VALUE); None for what Compose does not know."""
    reason = REFUSED.get(shape_name, {}).get(key)
    if reason is None and key.startswith("x-"):
        return _ONE_EXTENSION
    return reason
