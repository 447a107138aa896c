"""The command line itself: help, suggestions, completion and version, with no fleet at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.commands.root import COMMANDS
from tests.e2e.project import Project


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_usage(tmp_path: Path, fleet: Project, command: str) -> None:
    done = fleet.run(command, "--help")
    assert done.code == 0
    assert done.stdout.startswith("Usage: ")
    assert f" {command} " in done.stdout.splitlines()[0]
    assert fleet.run(command, "--no-such-option").code == 2


def test_a_mistyped_command_is_exit_2_with_a_suggestion(fleet: Project) -> None:
    done = fleet.run("inspect-netwrk")
    assert done.code == 2
    assert "Did you mean 'inspect-network'?" in done.stderr


def test_without_a_file_the_error_says_what_to_do(fleet: Project) -> None:
    done = fleet.run("up")
    assert done.code == 2
    assert "no fleet.yaml here" in done.stderr


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_names_fleetctl(fleet: Project, name: str) -> None:
    done = fleet.run("completion", name)
    assert done.code == 0
    assert "_FLEETCTL_COMPLETE" in done.stdout


def test_version_tells_ours_and_the_engines(fleet: Project) -> None:
    document = fleet.run("version", "--format", "json").json()
    assert document["engine"]["version"] == fleet.client.api.version()["Version"]
    assert document["fleetctl"] in fleet.run("--version").stdout
    assert fleet.run("version", "--client", env={"DOCKER_HOST": "unix:///nope"}).code == 0
