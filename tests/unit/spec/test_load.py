"""load_fleet: names, variables, several files, profiles, and files that are none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from fleetctl.errors import ConfigError
from fleetctl.spec.load import load_fleet
from fleetctl.spec.model import Fleet, Mount

PLAIN = "services:\n  web:\n    image: x\n"


def write(directory: Path, text: str, name: str = "fleet.yaml") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def load(directory: Path, text: str, environment: Mapping[str, str] | None = None, **options: object) -> Fleet:
    return load_fleet([write(directory, text)], environment or {}, **options)  # type: ignore[arg-type]


def refusal(directory: Path, text: str, **options: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(directory, text, {}, **options)
    assert caught.value.exit_code == 2
    return [problem.message for problem in caught.value.problems]


def test_the_name_comes_from_the_option_then_the_file_then_the_directory(tmp_path: Path) -> None:
    directory = tmp_path / "My Shop_1"
    directory.mkdir()
    assert load(directory, PLAIN).name == "myshop_1"
    assert load(directory, "name: file\n" + PLAIN).name == "file"
    assert load(directory, "name: file\n" + PLAIN, fleet_name="option").name == "option"
    with pytest.raises(ConfigError):
        load(directory, PLAIN, fleet_name="No Name")


def test_variables_come_from_the_environment_then_from_dot_env(tmp_path: Path) -> None:
    text = PLAIN + "    environment: {A: $A, B: $B}\n"
    write(tmp_path, "A=file\nB=file\n", ".env")
    assert load(tmp_path, text, {"A": "process"}).services["web"].environment == {"A": "process", "B": "file"}


def test_env_file_replaces_dot_env(tmp_path: Path) -> None:
    write(tmp_path, "A=dot\n", ".env")
    other = write(tmp_path, "A=other\n", "elsewhere/other.env")
    fleet = load(tmp_path, PLAIN + "    hostname: $A\n", env_file=other)
    assert fleet.services["web"].hostname == "other"
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, PLAIN, env_file=tmp_path / "missing.env")


def test_a_file_of_variables_that_cannot_be_read_has_no_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, why in (
        ("missing.env", "cannot be read: No such file or directory"),
        ("folder", "cannot be read: Is a directory"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, PLAIN, env_file=tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name} {why}"


def test_dot_env_must_not_lead_out_of_the_project(tmp_path: Path) -> None:
    """A project from elsewhere could point .env at the user's secrets and put them into an image or a container."""
    secret = write(tmp_path, "TOKEN=secret\n", "home/credentials")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".env").symlink_to(secret)
    assert "leads out of the project" in refusal(tmp_path / "project", PLAIN)[0]


def test_environment_beats_env_file_and_the_last_file_wins(tmp_path: Path) -> None:
    write(tmp_path, "A=one\nB=one\nC=one\nHERE\nGONE\n", "one.env")
    write(tmp_path, "B=two\nC=two\n", "two.env")
    text = (
        PLAIN + "    env_file: [one.env, {path: two.env}, {path: no.env, required: false}]\n    environment: [C=own]\n"
    )
    service = load(tmp_path, text, {"HERE": "passed"}).services["web"]
    assert service.environment == {"A": "one", "B": "two", "C": "own", "HERE": "passed"}
    assert service.origins["environment.A"] == "one.env:1:1"
    assert service.origins["environment.B"] == "two.env:1:1"
    assert service.origins["environment.C"].endswith("fleet.yaml:5:19")


def test_a_missing_env_file_is_an_error_unless_it_is_not_required(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path, PLAIN + "    env_file: no.env\n")[0]


@pytest.mark.parametrize(
    "extra",
    [
        "    env_file: inside\n",
        "    build: inside\n",
        "    build: {context: ., dockerfile: inside}\n",
        "    configs: [c]\nconfigs: {c: {file: inside}}\n",
        "    secrets: [c]\nsecrets: {c: {file: inside}}\n",
        "    volumes: [./inside:/data]\n",
    ],
)
def test_a_symbolic_link_leads_nowhere_outside(tmp_path: Path, extra: str) -> None:
    """What the file names is followed to its real place before it is allowed."""
    (tmp_path / "inside").symlink_to("/etc")
    found = refusal(tmp_path, PLAIN + extra)
    assert any("leads out of the project" in message or "gives the host away" in message for message in found)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    text = PLAIN + "    env_file: pipe\n    configs: [c]\nconfigs: {c: {file: pipe}}\n"
    assert all("is not a file" in message for message in refusal(tmp_path, text))


def test_unsafe_allows_what_gives_the_host_away_but_not_unknown_keys(tmp_path: Path) -> None:
    text = (
        PLAIN
        + "    volumes: [/var/run/docker.sock:/s]\n    cap_add: [SYS_ADMIN]\n    security_opt: [seccomp=unconfined]\n"
    )
    assert len(refusal(tmp_path, text)) == 3
    fleet = load(tmp_path, text, unsafe=True)
    assert [warning.split(" is allowed by --unsafe")[0].split(": ")[1] for warning in fleet.warnings] == [
        "services.web.volumes[0]",
        "services.web.cap_add[0]",
        "services.web.security_opt[0]",
    ]
    service = fleet.services["web"]
    assert service.cap_add == ("SYS_ADMIN",)
    assert service.mounts[0].source == "/var/run/docker.sock"
    assert refusal(tmp_path, PLAIN + "    privileged: true\n", unsafe=True)


def test_standard_input_is_read_where_a_file_is_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    fleet = load_fleet(["-"], {}, read_stdin=PLAIN.encode)
    assert (fleet.name, fleet.directory) == ("here", directory)
    with pytest.raises(ConfigError) as caught:
        load_fleet(["-"], {}, read_stdin=lambda: b"services: 1")
    assert caught.value.problems[0].where.startswith("stdin:1:")


def test_later_files_merge_over_earlier_ones(tmp_path: Path) -> None:
    """Mappings merge, lists are appended, commands are replaced, a mount yields to a later one at its target."""
    base = """
services:
  web:
    image: x
    command: [a, b]
    environment: [A=1, B=1]
    networks: [lan]
    ports: ["8080"]
    volumes: ["data:/data", "./old:/code"]
    deploy: {replicas: 2}
networks: {lan: , other: }
volumes: {data: }
"""
    over = """
services:
  web:
    command: [c]
    environment: {B: "2"}
    networks: {other: {aliases: [alias]}}
    ports: ["9090", "8080"]
    volumes: ["./new:/code"]
  extra: {image: y}
"""
    fleet = load_fleet([write(tmp_path, base), write(tmp_path, over, "over.yaml")], {})
    web = fleet.services["web"]
    assert web.command == ("c",)
    assert web.environment == {"A": "1", "B": "2"}
    assert list(web.networks) == ["lan", "other"]
    assert web.networks["other"].aliases == ("alias",)
    assert [port.target for port in web.ports] == [9090, 8080]
    assert web.mounts == (
        Mount("volume", "/data", "data"),
        Mount("bind", "/code", str(tmp_path / "new"), create_host_path=True),
    )
    assert web.replicas == 2
    assert list(fleet.services) == ["web", "extra"]


def test_mistakes_of_a_later_file_carry_its_name(tmp_path: Path) -> None:
    over = write(tmp_path, "services:\n  web:\n    imgae: y\n", "over.yaml")
    with pytest.raises(ConfigError) as caught:
        load_fleet([write(tmp_path, PLAIN), over], {})
    assert [problem.where for problem in caught.value.problems] == [f"{over}:3:5"]


def test_services_without_an_active_profile_are_left_out(tmp_path: Path) -> None:
    text = PLAIN + "  tool: {image: y, profiles: [debug, other]}\n"
    fleet = load(tmp_path, text)
    assert (list(fleet.services), fleet.inactive) == (["web"], ("tool",))
    assert list(load(tmp_path, text, profiles=["debug"]).services) == ["web", "tool"]
    assert list(load(tmp_path, text, profiles=["*"]).services) == ["web", "tool"]


def test_what_a_balancer_lists_is_joined_by_a_later_file_and_follows_the_profiles(tmp_path: Path) -> None:
    base = """
services:
  web: {image: x, x-fleet: {http: 80}}
  debug: {image: x, profiles: [debug], x-fleet: {http: 81}}
  lb: {image: balancer, x-fleet: {balance: [{service: web}]}}
"""
    over = write(tmp_path, "services:\n  lb: {x-fleet: {balance: [{service: debug, port: 81}]}}\n", "debug.yaml")
    first = write(tmp_path, base)
    assert [one.pool for one in load_fleet([first], {}).services["lb"].balance] == ["web:8080"]
    both = load_fleet([first, over], {}, profiles=["debug"])
    assert [one.pool for one in both.services["lb"].balance] == ["web:8080", "debug:81"]
    with pytest.raises(ConfigError, match="the service debug has no active profile") as caught:
        load_fleet([first, over], {})
    assert caught.value.problems[0].where.startswith(f"{over}:2:")


def test_a_missing_file_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file") as caught:
        load_fleet([tmp_path / "fleet.yaml"], {})
    assert "-f" in str(caught.value.hint)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"# only a comment\n", b"a", b"- a", b"\xff", b"a: \0", b"\xff\xfea\0",
        b"a: \x07", b"a: \xc2\x85\x1b",
        b"%YAML 1.1\n---\na: b\n", b"a: b: c", b"[", b"{", b"'", b"a: *b", b"a: &a [*a]", b"? [a]\n: b",
        b"!!binary x",
        b"[" * 3000 + b"]" * 3000, b"a: " + b"9" * 10_000, b"#" * (1 << 21),
        b"services: {web: {image: x}}\n...\n---\n",
        b"services: {web: {image: x, labels: {\"\\0\": a}}}", b"services: {web: {image: \"\\0\"}}",
        b"services: {web: {image: x, hostname: \"\\x1b[31m\"}}",
    ],
    ids=range(26),
)  # fmt: skip
def test_hostile_bytes_are_refused_without_control_characters_in_the_message(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_fleet([path], {})
    for problem in caught.value.problems:
        assert (str(problem) + (problem.hint or "")).isprintable()


def test_at_most_fifty_mistakes_are_listed_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = PLAIN + "".join(f"    unknown{number}: 1\n" for number in range(100))
    with pytest.raises(ConfigError, match=r"\(and 49 more\)") as caught:
        load(tmp_path, text)
    lines = [int(problem.where.split(":")[-2]) for problem in caught.value.problems]
    assert lines == list(range(4, 54))


def test_variables_that_grow_without_bound_are_refused(tmp_path: Path) -> None:
    text = PLAIN + "    environment:\n" + "".join(f'      K{i}: "${{BIG}}x"\n' for i in range(100))
    with pytest.raises(ConfigError, match="4 MiB"):
        load(tmp_path, text, {"BIG": "x" * 500_000})


@pytest.mark.parametrize(
    "text",
    [
        "services:\n" + "".join(f"  s{number}: {{image: x}}\n" for number in range(251)),
        PLAIN + "    volumes:\n" + "".join(f"      - ./d{number}:/d{number}\n" for number in range(251)),
        PLAIN + "    ports:\n" + "".join(f'      - "{number}:80"\n' for number in range(1, 1002)),
        PLAIN + "    expose: [1-1000, 1001-2000]\n",
        PLAIN + "    command: " + "a " * 20_000 + "\n",
        PLAIN + "    labels:\n" + "".join(f"      k{number}: v\n" for number in range(5000)),
        PLAIN + "    labels: {a: " + "$$" * 5001 + "}\n",
        PLAIN + "  lb:\n    image: y\n    x-fleet:\n      balance:\n" + "        - {service: web}\n" * 251,
    ],
    ids=["services", "mounts", "ports", "exposed ports", "command", "values", "dollars", "balanced services"],
)
def test_what_would_take_long_to_read_is_refused_by_its_number(tmp_path: Path, text: str) -> None:
    [message] = refusal(tmp_path, text)
    assert "more than" in message or "longer than" in message
