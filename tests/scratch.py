"""A copy of the repository in which the commands that the documents show are run, and what it makes outside itself."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.ports import free_port
from tests.held_networks import HELD_FOR_NOBODY
from tests.shown_sessions import ROOT, Exchange, run_on_terminal, screen

NEW_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
PLAYGROUND = (*NEW_NAMESPACES, "docs/examples/playground")
"""A host to play with, made of namespaces; commands shown with the prompt `playground$` are run there."""


PUBLISHED = "127.0.0.1:8080"
"""Where the documents' balancer is reached."""


class NetworkIsHeld(Exception):
    """The engine holds a network of the session's for nobody, by a fault of its own: the session is to be run anew."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A copy of the repository to run commands in, with a fleet of its own that appears as `fleet` in them and in
    what they print. What a command `name=$(…)` assigns holds for those after it, as in one shell."""

    directory: Path
    fleet_name: str
    port: int
    """Where its balancer is published; 8080 in the documents."""
    variables: dict[str, str] = field(default_factory=dict)
    playgrounds: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, exchange: Exchange) -> tuple[int, tuple[str, ...]]:
        """Run a shown command on a terminal; returns its exit code and the lines that stay on the screen."""
        assigned = re.fullmatch(r"([a-z]+)=\$\(.*\)", exchange.command)
        known = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        script = "\n".join([*known, f"{exchange.command} && echo ${assigned[1]}" if assigned else exchange.command])
        script = re.sub(r"\bfleet(?=[-_]\w)", self.fleet_name, script).replace(PUBLISHED, f"127.0.0.1:{self.port}")
        if exchange.place:
            words = ("nsenter", "--target", str(self.playground()), "--net", "--mount", "--pid", "sh", "-c", script)
            script = shlex.join(words)
        code, lines = self.run_shell(script)
        if assigned and code == 0:
            self.variables[assigned[1]] = "\n".join(lines)
            return code, ()
        return code, lines

    def run_shell(self, command: str) -> tuple[int, tuple[str, ...]]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("FLEET_", "COLUMNS"))}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "FLEET_NAME": self.fleet_name,
            "FLEET_PORT": str(self.port),
            "TERM": "xterm-256color",
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        code, written = run_on_terminal(command, self.directory, environment)
        written = written.replace(f"127.0.0.1:{self.port}", PUBLISHED)
        for own, shown in ((self.fleet_name, "fleet"), (str(self.directory), "~/fleetctl"), (str(ROOT), "~/fleetctl")):
            written = written.replace(own, shown)
        lines = screen(written)
        if code and HELD_FOR_NOBODY in " ".join(" ".join(lines).split()):
            raise NetworkIsHeld("\n".join(lines))
        return code, lines

    def playground(self) -> int:
        """The process whose namespaces are the playground's; it is opened for the first command."""
        if not self.playgrounds:
            words = (*PLAYGROUND, "cat")
            process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.playgrounds.append(process)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("ready\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n", "the playground was not made"
        opener = self.playgrounds[0].pid
        return int(Path(f"/proc/{opener}/task/{opener}/children").read_text())

    def leave_playground(self) -> None:
        """Close the first process's input, which ends it and with it all that is in the playground."""
        while self.playgrounds:
            self.playgrounds.pop().communicate()

    def leave(self) -> None:
        """Take down what commands have made beside the fleet, also where one failed half-way."""
        self.leave_playground()
        self.run_shell(
            f"docker ps -aq --filter name=^{self.fleet_name}- | xargs -r docker rm -f;"
            f"docker network ls -q --filter name=^{self.fleet_name}_ | xargs -r docker network rm"
        )


@contextmanager
def scratch_copy(directory: Path) -> Iterator[Scratch]:
    """A scratch copy in a directory that does not exist yet, with the image built; its fleet is gone at the end."""
    left_out = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__")
    shutil.copytree(ROOT, directory, ignore=left_out)
    # As long as the name it stands for, so that tables keep their widths; no hexadecimal digit, so that no id has it.
    name = "".join(random.choices("ghjkmnpqrstvwxz", k=len("fleet")))
    scratch = Scratch(directory, name, free_port())
    code, lines = scratch.run_shell("fleetctl build")
    assert code == 0, "\n".join(lines)
    try:
        yield scratch
    finally:
        try:
            code, lines = scratch.run_shell("fleetctl down --timeout 1")
        finally:
            scratch.leave()
        assert code == 0, "\n".join(lines)
