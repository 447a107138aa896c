"""What would give the host away to a container; refused unless the user said --unsafe."""

from __future__ import annotations

import os
from pathlib import Path

_TREES = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys", "/usr",
    "/var/run", "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/spool/cron",
)  # fmt: skip
"""A bind of these, of what is in them or of what holds them is refused (CIS Docker Benchmark 5.5 and 5.31)."""
_EXACT = ("/home", "/root")
_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")

# capabilities(7) of Linux 6.x. Dangerous are those that reach beyond the container's own namespaces.
_DANGEROUS = frozenset(
    [
        "ALL",
        "AUDIT_CONTROL",
        "BPF",
        "CHECKPOINT_RESTORE",
        "DAC_READ_SEARCH",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "PERFMON",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_MODULE",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "SYS_TIME",
        "SYSLOG",
    ]
)
_CAPABILITIES = _DANGEROUS | frozenset(
    [
        "AUDIT_READ",
        "AUDIT_WRITE",
        "BLOCK_SUSPEND",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "IPC_LOCK",
        "IPC_OWNER",
        "KILL",
        "LEASE",
        "LINUX_IMMUTABLE",
        "MKNOD",
        "NET_ADMIN",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
        "SYS_NICE",
        "SYS_PACCT",
        "SYS_RESOURCE",
        "SYS_TTY_CONFIG",
        "WAKE_ALARM",
    ]
)

_OPTIONS = {
    "seccomp=unconfined": "it lifts the filter of system calls",
    "apparmor=unconfined": "it lifts AppArmor's confinement",
    "label=disable": "it lifts SELinux's confinement",
    "systempaths=unconfined": "it opens /proc and /sys",
}


def why_dangerous_path(source: str, project: Path) -> str | None:
    """Why binding this absolute host path gives the host away; None when it does not, or lies in the project."""
    resolved = os.path.realpath(source)
    for path in {os.path.normpath(source), resolved}:
        if path.rpartition("/")[2] in _SOCKETS:
            return "whoever holds the engine's socket is root on the host"
    if _within(resolved, os.path.realpath(project)) and not _holds_the_host(os.path.realpath(project)):
        return None
    for path in {os.path.normpath(source), resolved}:
        if path in _EXACT or _holds_the_host(path) or any(_within(path, tree) for tree in _TREES):
            return f"{path} gives the host away"
    return None


def _within(path: str, tree: str) -> bool:
    return path == tree or path.startswith(tree.rstrip("/") + "/")


def _holds_the_host(path: str) -> bool:
    return any(_within(tree, path) for tree in _TREES)


def canonical_capability(name: str) -> str:
    """NET_RAW for "cap_net_raw"."""
    return name.upper().removeprefix("CAP_")


def known_capabilities() -> frozenset[str]:
    """Every capability of capabilities(7), and ALL."""
    return _CAPABILITIES


def is_dangerous_capability(name: str) -> bool:
    """Whether a canonical capability reaches beyond the container."""
    return name in _DANGEROUS


def why_dangerous_option(option: str) -> str | None:
    """Why a canonical security option gives the host away; None when it does not."""
    return _OPTIONS.get(option)
