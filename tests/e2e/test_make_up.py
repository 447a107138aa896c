"""`make up` launches a fleet and verifies that very fleet; no engine is asked here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_bootstrap import OF_MAKE, ROOT

SAYS_WHAT_IT_GETS = '#!/bin/sh\necho "$FLEET_NAME|$FLEET_FILE|$*"\n'


@pytest.fixture
def make_up(tmp_path: Path) -> list[str]:
    """Runs no step before, and in fleetctl's place what says how it was called."""
    program = tmp_path / "fleetctl"
    program.write_text(SAYS_WHAT_IT_GETS)
    program.chmod(0o755)
    steps = [word for step in ("env", "engine", "base", "wheels") for word in ("-o", step)]
    return ["make", *steps, "up", f"BIN={tmp_path}"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    left_out = {*OF_MAKE, "FLEET_NAME", "FLEET_FILE"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_both_commands_get_the_fleet_and_only_up_its_flags(make_up: list[str]) -> None:
    done = run(*make_up, "FLEET_NAME=other", "FLEET_FILE=other.yaml", "FLAGS=--scale web=5 --parallel 2")
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == ["other|other.yaml|up --scale web=5 --parallel 2", "other|other.yaml|verify"]


@pytest.mark.parametrize(
    "flags", ["-p other", "--project-name=other", "--scale web=5 -fother.yaml", "--file other.yaml"]
)
def test_a_fleet_that_only_up_would_get_is_refused_with_what_to_write(make_up: list[str], flags: str) -> None:
    done = run(*make_up, f"FLAGS={flags}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "FLEET_NAME=NAME" in done.stderr
    assert "FLEET_FILE=FILE" in done.stderr


def test_elsewhere_flags_may_choose_the_fleet(make_up: list[str]) -> None:
    words = ["ps" if word == "up" else word for word in make_up]
    assert run(*words, "FLAGS=-p other").stdout == "||ps -p other\n"
