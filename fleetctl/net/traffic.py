"""What tc(8) does with packets beyond queueing them, over rtnetlink(7).

BPF programs attached without a qdisc (tcx, Linux 6.6) are not listed: only bpf(2) knows them.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping

from fleetctl.net.netlink import Netlink, attributes, dump_request, integer, text

_GET_QDISC, _GET_FILTER = 38, 46  # RTM_GETQDISC, RTM_GETTFILTER; pyroute2's module for them imports forty others
_TRAFFIC = struct.Struct("=B3xiIII")  # tcmsg: family, ifindex, handle, parent, info
_ALL_QDISCS = dump_request(_GET_QDISC, bytes(_TRAFFIC.size))
_ATTRIBUTES = {1: "kind", 2: "options"}  # TCA_KIND, TCA_OPTIONS
_HARMLESS = frozenset({"noqueue", "pfifo_fast", "fq_codel", "fq", "mq", "noop"})
"""What the kernel itself puts on an interface."""

_ROOT, _INGRESS = 0xFFFFFFFF, 0xFFFFFFF1  # TC_H_ROOT, TC_H_INGRESS
_SIDES = {0xFFFFFFF2: "ingress", 0xFFFFFFF3: "egress"}  # TC_H_MIN_INGRESS, TC_H_MIN_EGRESS of TC_H_CLSACT
_ACTIONS_OF = {"basic": 3, "bpf": 1, "cgroup": 1, "flow": 8, "flower": 3, "fw": 4, "matchall": 2, "u32": 7}
"""By kind of filter the attribute with its actions (TCA_*_ACT in linux/pkt_cls.h)."""
_ACTION = {1: "kind", 2: "options"}  # TCA_ACT_KIND, TCA_ACT_OPTIONS
_GENERIC = {2: "parameters"}  # TCA_GACT_PARMS
_VERDICTS = {-1: "continue", 0: "pass", 1: "reclassify", 2: "drop", 3: "pipe", 4: "stolen", 7: "redirect"}  # TC_ACT_*
_ORDINALS = {number: str(number) for number in range(1, 33)}  # TCA_ACT_MAX_PRIO


def filters(netlink: Netlink, names: Mapping[int, str]) -> tuple[str, ...]:
    """One text each for a qdisc that may drop or delay and for a filter, much as tc(8) writes them."""
    found: list[str] = []
    for body in netlink.dump(_ALL_QDISCS):
        _, ifindex, handle, parent, _ = _TRAFFIC.unpack_from(body)
        kind = text(attributes(body, _TRAFFIC.size, _ATTRIBUTES).get("kind")) or "?"
        if kind in _HARMLESS:
            continue
        device = names.get(ifindex, str(ifindex))
        place = {_ROOT: "root", _INGRESS: "ingress"}.get(parent) or f"parent {_identifier(parent)}"
        found.append(f"qdisc {kind} {_identifier(handle)} dev {device} {place}")
        sides = _SIDES if parent == _INGRESS else {handle: place}
        for at, side in sides.items():
            found += (f"filter dev {device} {side} {rest}" for rest in _filters_at(netlink, ifindex, at))
    return tuple(dict.fromkeys(found))


def _identifier(handle: int) -> str:
    return f"{handle >> 16:x}:{handle & 0xFFFF or '':x}" if handle & 0xFFFF else f"{handle >> 16:x}:"


def _filters_at(netlink: Netlink, ifindex: int, parent: int) -> Iterator[str]:
    for body in netlink.dump(dump_request(_GET_FILTER, _TRAFFIC.pack(0, ifindex, 0, parent, 0))):
        _, _, handle, _, info = _TRAFFIC.unpack_from(body)
        values = attributes(body, _TRAFFIC.size, _ATTRIBUTES)
        # The first entry of each priority stands for its list and has no handle; the filters follow.
        if not handle or "options" not in values:
            continue
        kind = text(values.get("kind")) or "?"
        protocol = socket.ntohs(info & 0xFFFF)
        what = " ".join([f"protocol 0x{protocol:04x} pref {info >> 16} {kind}", *_actions(kind, values["options"])])
        yield what


def _actions(kind: str, options: bytes) -> Iterator[str]:
    listed = attributes(options, 0, {_ACTIONS_OF.get(kind, -1): "actions"}).get("actions", b"")
    for action in attributes(listed, 0, _ORDINALS).values():
        values = attributes(action, 0, _ACTION)
        name = text(values.get("kind")) or "?"
        parameters = attributes(values.get("options", b""), 0, _GENERIC).get("parameters", b"")
        # tc_gact begins with index, capabilities and the verdict.
        verdict = integer(parameters[8:12] or None) if name == "gact" else None
        yield f"action {name}" if verdict is None else f"action {_VERDICTS.get(verdict, verdict)}"
