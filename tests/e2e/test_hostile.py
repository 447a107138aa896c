"""What a container controls never steers the terminal, fills memory, or sends us elsewhere (cases 41 and 42)."""

from __future__ import annotations

import socket

import pytest

from tests.e2e.project import Json, Project, idle, shell

EVIL = "A\x1b[2J\x1b]0;owned\x07\x9b31m\rB\x08\u202egnp.exe\u2066\u200bC"
STEERING = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))} - {"\n", "\t"} | set("\u202a\u202b\u202c\u202d\u202e")
STEERING |= set("\u2066\u2067\u2068\u2069\u200b\u200e\u200f")
OCTAL = "".join(f"\\{byte:03o}" if byte < 0x20 or byte > 0x7E else chr(byte) for byte in EVIL.encode())
HTTP: Json = {"x-fleet": {"http": {"port": 8080}}}


def answering(script: str) -> Json:
    """A service that, once it has read a request, answers with what the script prints."""
    read = "while read -r line && [ ${#line} -gt 1 ]; do :; done"
    quoted = f"{read}; {script}".replace("'", "'\\''")
    return idle(1, command=shell(f"nc -ll -p 8080 -e sh -c '{quoted}' & wait"))


def curled(fleet: Project, script: str, *args: str, code: int = 4) -> Json:
    """How `curl` takes an answer, within its time."""
    service = answering(script)
    fleet.write({"web": service})
    fleet.up()
    fleet.write({"web": {**service, **HTTP}})
    done = fleet.run("curl", "--format", "json", *args)
    assert done.code == code, done
    assert done.seconds < 30
    reply: Json = done.json()["replies"][0]
    return reply


@pytest.fixture
def hostile(fleet: Project) -> Project:
    """A fleet whose label, log, process list and HTTP answers are hostile."""
    script = f"printf '{OCTAL}' > /tmp/index.html; printf '{OCTAL}\\n'; httpd -f -p 8080 -h /tmp & wait"
    service = idle(1, command=[*shell(script), EVIL], labels={f"key {EVIL}": EVIL}, environment={"EVIL": EVIL})
    fleet.write({"web": service})
    fleet.up()
    fleet.write({"web": {**service, **HTTP}})
    return fleet


@pytest.mark.parametrize(
    "command",
    ["ps --no-trunc", "logs", "logs -t", "curl", "top", "inspect-network", "plan --force-recreate", "config", "up"],
)
def test_no_character_that_steers_a_terminal_gets_out(hostile: Project, command: str) -> None:
    """Case 41."""
    done = hostile.run(*command.split())
    assert done.code == 0, done
    assert not STEERING & set(done.stdout + done.stderr), done


@pytest.mark.parametrize("command", ["ps", "curl", "top", "plan --force-recreate", "inspect-network", "config"])
def test_json_holds_it_escaped(hostile: Project, command: str) -> None:
    """Case 41."""
    done = hostile.run(*command.split(), "--format", "json")
    assert done.code == 0, done
    assert done.stdout.isascii()
    assert not STEERING & set(done.stdout)
    done.json()


def test_what_is_left_of_it_can_be_read(hostile: Project) -> None:
    assert r"A\x1b[2J\x1b]0;owned" in hostile.run("logs").stdout
    assert r"A\x1b[2J\x1b]0;owned" in hostile.run("curl").stdout


def test_last_log_lines_in_an_error_are_harmless(fleet: Project) -> None:
    fleet.write({"web": idle(1, command=["sh", "-c", f"printf '{OCTAL}\\n'; exit 1"], restart="no")})
    done = fleet.up(code=1)
    assert r"A\x1b[2J" in done.stderr
    assert not STEERING & set(done.stderr), done


def test_a_hostile_status_line_is_harmless(fleet: Project) -> None:
    reply = curled(fleet, f"printf 'HTTP/1.1 500 {OCTAL}\\r\\nX-{OCTAL}: 1\\r\\n\\r\\n'")
    assert reply["error"]
    table = fleet.run("curl")
    assert not STEERING & set(table.stdout + table.stderr), table


def test_a_body_of_a_gigabyte_is_cut_short(fleet: Project) -> None:
    """Case 42."""
    head = "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 1000000000\\r\\n\\r\\n'"
    reply = curled(fleet, f"{head}; while echo {'x' * 1000}; do :; done")
    assert "longer than 65536 bytes" in reply["error"]


def test_an_endless_header_is_cut_short(fleet: Project) -> None:
    reply = curled(fleet, "printf 'HTTP/1.1 200 OK\\r\\nX: '; cat /dev/zero")
    assert "not a valid HTTP answer" in reply["error"]


def test_a_body_that_drips_is_given_up_after_the_timeout(fleet: Project) -> None:
    """Case 42."""
    drip = "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\n'; while true; do printf x; sleep 1; done"
    reply = curled(fleet, drip, "--timeout", "2")
    assert "no complete answer within 2 s" in reply["error"]


def test_a_redirect_is_never_followed(fleet: Project) -> None:
    """Case 42, with a place we can watch in the stead of 169.254.169.254."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.5)
        port = elsewhere.getsockname()[1]
        location = f"Location: http://127.0.0.1:{port}/latest/meta-data"
        script = f"printf 'HTTP/1.1 302 Found\\r\\n{location}\\r\\nContent-Length: 0\\r\\n\\r\\n'"
        reply = curled(fleet, script, code=0)
        assert reply["status"] == 302
        with pytest.raises(TimeoutError):
            elsewhere.accept()
