"""A fleet in which web-1 is about to be replaced behind its balancer."""

from __future__ import annotations

import re
import threading

from fleetctl.balancer.config import Place, render, settings_digest
from fleetctl.balancer.driver import Balancers
from fleetctl.plan.actions import AddServer, DrainServer, Ref, RotationAction
from fleetctl.spec.model import Balance
from tests.unit.balancer.small_haproxy import READY, Member, SmallHAProxy, SmallHost, replica

WEB = Balance("web", 8080, 8080, drain_timeout=5.0)
BALANCER, OLD, NEW = "b" * 64, "0" * 64, "1" * 64
OLD_NAME, NEW_NAME = f"web-1.{OLD[:12]}", f"web-1.{NEW[:12]}"
TO = Ref("fleet-balancer-1", id=BALANCER)
ADD = AddServer(TO, "web:8080", 8080, "web-1", Ref("fleet-web-1.next", id=NEW))
DROP = DrainServer(TO, "web:8080", 5.0, "web-1", Ref("fleet-web-1", id=OLD))


def host() -> SmallHost:
    """One in which the old replica of web-1 is in rotation, and the new one runs."""
    balancer = SmallHAProxy(digest=settings_digest([WEB]))
    balancer.members[OLD_NAME] = Member("10.0.0.2:8080", READY, watched=True, check="L7OK")
    standing = (
        replica("balancer", 1, BALANCER, "10.0.0.9"),
        replica("web", 1, OLD, "10.0.0.2"),
        replica("web", 1, NEW, "10.0.0.3"),
    )
    return SmallHost(balancer, standing, render([WEB], {"web:8080": [Place(OLD_NAME, "10.0.0.2", 8080)]}))


def servers_in(file: str) -> list[str]:
    return re.findall(r"^    server (\S+ \S+)", file, re.MULTILINE)


def drive(on: SmallHost, action: RotationAction, stop: threading.Event | None = None) -> str:
    with Balancers(on, "fleet", stop) as balancers:
        return balancers.apply(action, lambda detail: None)
