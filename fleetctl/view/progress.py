"""Shows a plan while it runs: redrawn in place on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from fleetctl.plan.actions import AwaitReplica, BuildImage, PullImage
from fleetctl.plan.naming import target, verb
from fleetctl.plan.outcome import Event
from fleetctl.plan.steps import Plan
from fleetctl.view.terminal import is_animated, note, stderr, warn
from fleetctl.view.text import first_line, safe

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

SHOWN = 10
"""Running steps shown at a time."""
PAST = {
    "create": "created",
    "start": "started",
    "stop": "stopped",
    "remove": "removed",
    "await": "ready",
    "watch": "watched",
    "restart": "restarted",
    "unpause": "unpaused",
    "rename": "renamed",
    "connect": "connected",
    "disconnect": "disconnected",
    "wait": "waited",
    "configure": "configured",
    "add server": "in rotation",
    "drain server": "out of rotation",
    "tally": "tallied",
}


def done_text(action_verb: str) -> str:
    if action_verb in PAST:
        return PAST[action_verb]
    head, _, tail = action_verb.partition(" ")
    past = {"build": "built", "pull": "pulled", **PAST}.get(head, head)
    return f"{past} {tail}".rstrip()


class Progress:
    """A Listener; use it as a context manager around the run."""

    def __init__(self) -> None:
        self.animated = is_animated()
        self.lock = threading.Lock()
        self.total = 0
        self.ended = 0
        self.began = time.monotonic()
        self.running: dict[str, tuple[str, str, float]] = {}
        self.done: dict[str, list[str]] = {}
        self.told: set[str] = set()
        self.live: Live | None = None

    def __enter__(self) -> Progress:
        self.draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.erase()
        if self.animated and self.done:
            note(self.summary())

    def draw(self) -> None:
        """Begin to redraw in place, where that is wanted."""
        if self.animated:
            from rich.live import Live

            self.live = Live(get_renderable=self.picture, console=stderr(), refresh_per_second=8, transient=True)
            self.live.start()

    def erase(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within the block the terminal is left alone, for somebody is asked there; an error that leaves it ends the
        run, and then nothing is drawn any more."""
        self.erase()
        yield
        self.draw()

    def prepare(self, plan: Plan) -> None:
        """Take note of how many steps are to come, and tell what the plan has to tell."""
        with self.lock:
            self.total += sum(1 for _ in plan.shown())
        for notice in plan.notices:
            if notice not in self.told:
                self.told.add(notice)
                warn(notice)

    def building(self, reference: str, line: str) -> None:
        """One line of a build's or pull's output."""
        with self.lock:
            for name, (what, _, since) in self.running.items():
                if what.endswith(f" {reference}"):
                    self.running[name] = (what, first_line(line, 60), since)
        if not self.animated and line.startswith("Step "):
            note(f"  {first_line(line, 100)}")

    def __call__(self, event: Event) -> None:
        """Take in one event, from any thread."""
        step = event.step
        what = f"{verb(step.action)} {target(step.action)}"
        with self.lock:
            if event.kind == "started":
                self.running[step.id] = (safe(what), "", time.monotonic())
            elif event.kind == "progress":
                _, _, since = self.running.get(step.id, ("", "", time.monotonic()))
                self.running[step.id] = (safe(what), first_line(event.detail, 90), since)
            else:
                self.running.pop(step.id, None)
                self.ended += not step.only_if_failed
                if event.kind == "done":
                    self.done.setdefault(done_text(verb(step.action)), []).append(target(step.action))
        if self.animated:
            return
        if event.kind == "started" and isinstance(step.action, BuildImage | PullImage):
            note(f"{what} ({step.because})")
        elif event.kind == "done":
            note(f"{done_text(verb(step.action))} {target(step.action)}{reason(event)}")

    def summary(self) -> str:
        """What was done, in one line: "created network fleet_lan, created 3, started 3, ready 3 in 1.2 s"."""
        parts = [f"{past} {names[0] if len(names) == 1 else len(names)}" for past, names in self.done.items()]
        return f"{', '.join(parts)} in {time.monotonic() - self.began:.1f} s"

    def picture(self) -> Group:
        """What the terminal shows right now."""
        from rich.console import Group
        from rich.text import Text

        with self.lock:
            running = list(self.running.values())
            ended, total = self.ended, self.total
        now = time.monotonic()
        head = f"{ended}/{total} steps" if total else "looking"
        lines = [Text(f"{head}, {now - self.began:.0f} s", style="bold")]
        for what, detail, since in running[:SHOWN]:
            tail = f"  {detail}" if detail else ""
            lines.append(Text(f"  {what} {now - since:.0f} s{tail}", no_wrap=True, overflow="ellipsis"))
        if len(running) > SHOWN:
            lines.append(Text(f"  and {len(running) - SHOWN} more"))
        return Group(*lines)


def reason(event: Event) -> str:
    """Why, for the steps that say something new."""
    return "" if isinstance(event.step.action, AwaitReplica) else f" ({event.step.because})"
