"""The way from a bare machine to `make up`: what can be tried without changing the machine under test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest

from tests.fakes.ports import free_port
from tests.fakes.tiny_image import tiny_image
from tests.held_networks import HELD_FOR_NOBODY

ROOT = Path(__file__).parents[2]
# Under `make test FLAGS=...` these would reach into the make that a test runs.
OF_MAKE = dict.fromkeys(("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "FLAGS"))

# Run as process 1 of its own mount, network and process namespaces, so that it sees an empty /run and no dockerd.
# Both pid files name a process that lives and is another program, as after a restart of the machine.
OWN_MACHINE = """
set -eu
mount -t tmpfs none /run
mount --bind "$1/data" /var/lib/docker
mount --bind "$1/log" /var/log
ip link set lo up
mkdir -p /run/docker/containerd
printf %s $$ >/run/docker.pid
printf %s $$ >/run/docker/containerd/containerd.pid

gone() { while [ -e "/proc/$1/exe" ]; do :; done; }

echo 'with stale pid files'; bootstrap/engine; first=$(cat /run/docker.pid)
echo 'again'; bootstrap/engine; [ "$(cat /run/docker.pid)" = "$first" ]
kill -KILL "$first"; gone "$first"
echo 'after a crash'; bootstrap/engine; second=$(cat /run/docker.pid)
kill "$second"; gone "$second"
"""


def run(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the tree with `env` over this process's environment, None taking a variable out of it.

    Both outputs are in `stdout`.
    """
    wanted = {**os.environ, **OF_MAKE, **(env or {})}
    return subprocess.run(
        command,
        cwd=cwd,
        env={name: value for name, value in wanted.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def test_make_alone_lists_every_target_with_a_line_about_it() -> None:
    listed = re.findall(r"^  make (\w+) +\S", run("make").stdout, re.MULTILINE)

    targets = re.findall(r"^([a-z]+):", Path(ROOT, "Makefile").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(targets)
    assert {"up", "down", "ps", "inspect", "check", "test", "bench", "serve", "clean", "help"} <= set(targets)


def test_an_engine_that_answers_is_used_as_it_is() -> None:
    done = run("bootstrap/engine")

    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"engine: Docker \S+ answers\n", done.stdout)


def test_an_engine_that_docker_host_names_in_vain_is_named_and_no_other_started(tmp_path: Path) -> None:
    done = run("bootstrap/engine", env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})

    assert done.returncode == 3, done.stdout
    assert f"no engine answers at unix://{tmp_path}/none.sock (from DOCKER_HOST)" in done.stdout
    assert "starting" not in done.stdout


def test_an_engine_that_a_docker_context_names_in_vain_is_named_and_no_other_started(tmp_path: Path) -> None:
    env = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": None, "DOCKER_HOST": None}
    run("docker", "context", "create", "far", "--docker", f"host=unix://{tmp_path}/none.sock", env=env)
    run("docker", "context", "use", "far", env=env)

    done = run("bootstrap/engine", env=env)

    assert done.returncode == 3, done.stdout
    assert f"no engine answers at Docker context far, unix://{tmp_path}/none.sock" in done.stdout
    assert "starting" not in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights on the engine")
def test_without_rights_the_engine_step_exits_3_with_the_commands_to_run() -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    script = Path(ROOT, "bootstrap/engine").read_text()

    # Given as text, because nobody may not be able to read this tree.
    done = run(*nobody, "sh", "-c", script, "engine", cwd=Path("/"), env={"HOME": "/", "DOCKER_HOST": None})

    assert done.returncode == 3, done.stdout
    assert "sudo usermod -aG docker" in done.stdout
    assert "sudo systemctl start docker" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start an engine")
def test_an_engine_starts_where_a_dead_one_left_its_pid_files_and_again_after_a_crash(tmp_path: Path) -> None:
    Path(tmp_path, "data").mkdir()
    Path(tmp_path, "log").mkdir()
    alone = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")

    done = run(*alone, "sh", "-c", OWN_MACHINE, "sh", tmp_path, env={"DOCKER_HOST": None})

    assert done.returncode == 0, done.stdout
    starting, answers = r"engine: starting dockerd .*\n", r"engine: Docker .* answers\n"
    expected = f"with stale pid files\n{starting}{answers}again\n{answers}after a crash\n{starting}{answers}"
    assert re.fullmatch(expected, done.stdout), done.stdout


def test_the_environment_step_does_nothing_when_the_lock_has_not_changed() -> None:
    stamp = Path(ROOT, ".venv/made-from")
    assert stamp.exists(), "run the tests through make, which makes .venv"
    before = stamp.stat().st_mtime_ns

    done = run("bootstrap/environment")

    assert (done.returncode, done.stdout) == (0, "env: up to date\n")
    assert stamp.stat().st_mtime_ns == before


def test_without_a_python_that_is_new_enough_the_commands_to_get_one_are_printed(tmp_path: Path) -> None:
    shutil.copytree(Path(ROOT, "bootstrap"), Path(tmp_path, "bootstrap"))
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(Path(ROOT, name), tmp_path)
    tools = Path(tmp_path, "bin")
    tools.mkdir()
    for tool in ("sh", "cat", "dirname", "sha256sum"):
        Path(tools, tool).symlink_to(str(shutil.which(tool)))
    old = Path(tools, "python3")
    old.write_text("#!/bin/sh\nexit 1\n")  # what an older Python's `sys.exit(version < (3, 11))` comes to
    old.chmod(0o755)

    done = run(Path(tmp_path, "bootstrap/environment"), env={"PATH": str(tools), "PYTHON": None})

    assert done.returncode == 1, done.stdout
    assert "no Python 3.11 or newer found on PATH" in done.stdout
    assert "sudo apt-get install -y python3 python3-venv" in done.stdout
    assert not Path(tmp_path, ".venv").exists()


@pytest.fixture
def base_step(tmp_path: Path) -> Path:
    """The base step in a tree of its own, so that it writes another .env than this repository's."""
    step = Path(tmp_path, "images/base/build")
    step.parent.mkdir(parents=True)
    shutil.copy(Path(ROOT, "images/base/build"), step)
    return step


def test_the_base_that_the_environment_names_goes_to_env_and_other_lines_stay(base_step: Path, tmp_path: Path) -> None:
    image = tiny_image(docker.from_env())
    Path(tmp_path, ".env").write_text("FIRST=1\nFLEET_BASE=other\nLAST='2 3'\n")

    done = run(base_step, env={"FLEET_BASE": image})

    assert done.returncode == 0, done.stdout
    assert Path(tmp_path, ".env").read_text() == f"FIRST=1\nLAST='2 3'\nFLEET_BASE={image}\n"


def test_a_base_that_env_names_already_is_left_as_it_is(base_step: Path, tmp_path: Path) -> None:
    image = tiny_image(docker.from_env())
    dotenv = Path(tmp_path, ".env")
    dotenv.write_text(f"FLEET_BASE={image}\nLAST=2\n")
    before = dotenv.stat()

    done = run(base_step, env={"FLEET_BASE": None})

    assert (done.returncode, done.stdout) == (0, f"base: FLEET_BASE={image}\n")
    assert (dotenv.stat().st_ino, dotenv.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_base_that_cannot_be_had_is_refused_and_env_stays(base_step: Path, tmp_path: Path) -> None:
    # Nothing listens on port 1, so this registry refuses at once.
    dotenv = Path(tmp_path, ".env")
    dotenv.write_text("FLEET_BASE=localhost:1/none:none\n")

    done = run(base_step, env={"FLEET_BASE": None})

    assert done.returncode == 1, done.stdout
    assert "FLEET_BASE names localhost:1/none:none, which is neither here nor to be pulled" in done.stdout
    assert dotenv.read_text() == "FLEET_BASE=localhost:1/none:none\n"


# Stands for mmdebstrap: an almost empty system, and a word on how it was called.
SMALL_SYSTEM = """#!/bin/sh
echo called >>"$CALLS"
for word; do
    case $word in */root.tar) tar -cf "$word" -C / --no-recursion tmp ;; esac
done
"""


@pytest.fixture
def base_repository() -> Iterator[str]:
    """A name for bases that are not this machine's; their tags are gone afterwards."""
    name = f"fleetctl-test/base-{uuid.uuid4().hex[:8]}"
    yield name
    for reference in tags_of(name):
        docker.from_env().images.remove(reference)


def tags_of(repository: str) -> list[str]:
    return [tag for image in docker.from_env().images.list(name=repository) for tag in image.tags]


def test_a_base_of_another_recipe_has_another_name_and_takes_the_place_of_the_former(
    base_step: Path, base_repository: str, tmp_path: Path
) -> None:
    """Images are built anew when the name of their base changes, and only then."""
    recipe = base_step.read_text().replace("repository=fleetctl/base\n", f"repository={base_repository}\n")
    assert base_repository in recipe
    base_step.write_text(recipe)
    tools, calls, dotenv = Path(tmp_path, "bin"), Path(tmp_path, "calls"), Path(tmp_path, ".env")
    tools.mkdir()
    Path(tools, "mmdebstrap").write_text(SMALL_SYSTEM)
    Path(tools, "mmdebstrap").chmod(0o755)
    env = {"FLEET_BASE": None, "CALLS": str(calls), "PATH": f"{tools}:{os.environ['PATH']}"}
    # As an earlier run has left it that found no registry.
    dotenv.write_text(f"FLEET_BASE={base_repository}:trixie\n")

    first = run(base_step, env=env)
    again = run(base_step, env=env)

    assert (first.returncode, again.returncode) == (0, 0), first.stdout + again.stdout
    assert calls.read_text() == "called\n"
    (made,) = tags_of(base_repository)
    assert re.fullmatch(rf"{base_repository}:trixie-[0-9a-f]{{8}}", made)
    assert dotenv.read_text() == f"FLEET_BASE={made}\n"

    base_step.write_text(f"{recipe}# another recipe\n")
    other = run(base_step, env=env)

    assert other.returncode == 0, other.stdout
    (remade,) = tags_of(base_repository)
    assert remade != made
    assert dotenv.read_text() == f"FLEET_BASE={remade}\n"


@pytest.fixture
def fleet_name() -> Iterator[str]:
    """A name of its own for the repository's fleet, which is gone afterwards."""
    name = f"test-make-{uuid.uuid4().hex[:8]}"
    yield name
    run("make", "down", env={"FLEET_NAME": name})


def test_make_up_ends_with_a_running_fleet_and_again_has_nothing_to_do(fleet_name: str) -> None:
    env = {"FLEET_NAME": fleet_name, "FLEET_PORT": str(free_port())}
    uuids = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

    first = run("make", "up", env=env)
    again = run("make", "up", env=env)
    inspected = run("make", "inspect", env=env)

    assert first.returncode == 0, first.stdout
    replicas = re.findall(rf"^{fleet_name}-web-\d+ .* veth\w+ +({uuids}) ", first.stdout, re.MULTILINE)
    assert len(set(replicas)) == 3, first.stdout
    assert again.returncode == 0, again.stdout
    assert "nothing to do\n" in again.stdout
    assert re.findall(rf"^{fleet_name}-web-\d+ .* veth\w+ +({uuids}) ", again.stdout, re.MULTILINE) == replicas
    assert len(re.findall(rf"^ +{fleet_name}-web-\d+ +running", inspected.stdout, re.MULTILINE)) == 3

    down = run("make", "down", env=env)

    held = HELD_FOR_NOBODY in down.stdout
    assert (down.returncode == 0) != held, down.stdout
    mine = f"dev.fleetctl.fleet={fleet_name}"
    client = docker.from_env()
    assert client.containers.list(all=True, filters={"label": mine}) == []
    assert len(client.networks.list(filters={"label": mine})) == held
