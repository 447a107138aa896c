"""Every exception that docker-py and its transport can raise becomes one of ours."""

from __future__ import annotations

import inspect
import socket
from types import ModuleType
from typing import Any

import docker.errors
import pytest
import requests
import urllib3

from fleetctl.engine.faults import translated
from fleetctl.errors import EngineUnreachable, FleetError, ResourceExhausted, SubnetTaken

ENDPOINT = "unix:///run/engine.sock"


def raisable(module: ModuleType) -> list[type[Exception]]:
    """The module's own exceptions that are no warnings."""
    return [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and kind.__module__ == module.__name__
    ]


MODULES = (docker.errors, requests.exceptions, urllib3.exceptions)
EXCEPTIONS = list(dict.fromkeys(kind for module in MODULES for kind in raisable(module)))


def instance(kind: type[Exception]) -> Exception:
    """One of that kind, with something for each argument it asks for."""
    fitting: dict[str, Any] = {
        "response": urllib3.HTTPResponse(b""),
        "length": b"0",
        "partial": 1,
        "expected": 2,
        "pool": urllib3.HTTPConnectionPool("localhost"),
        "reason": ValueError("words"),
    }
    if issubclass(kind, docker.errors.APIError):
        answer = requests.Response()
        answer.status_code = 500
        return kind("words", response=answer, explanation="the engine's words")
    if issubclass(kind, requests.exceptions.JSONDecodeError):
        return kind("words", "document", 0)
    if not inspect.isfunction(kind.__init__):
        return kind("words")
    _, *parameters = inspect.signature(kind.__init__).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
    return kind(*(fitting.get(name, "words") for name in needed))


def translate(error: BaseException) -> FleetError:
    with pytest.raises(FleetError) as caught, translated("do it", ENDPOINT):
        raise error
    return caught.value


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_exception_of_docker_py_or_its_transport_gets_through(kind: type[Exception]) -> None:
    ours = translate(instance(kind))
    answered = issubclass(kind, docker.errors.APIError | docker.errors.DockerException)
    assert ours.exit_code == (1 if answered else 3)
    assert ENDPOINT in ours.message or "do it" in ours.message
    assert "\n" not in ours.message


def test_the_enumeration_sees_the_exceptions_there_are() -> None:
    assert {docker.errors.NotFound, docker.errors.BuildError, docker.errors.StreamParseError} <= set(EXCEPTIONS)
    assert {requests.ConnectionError, requests.ReadTimeout, urllib3.exceptions.ProtocolError} <= set(EXCEPTIONS)


@pytest.mark.parametrize("error", [ConnectionResetError(), BrokenPipeError(), TimeoutError(), socket.gaierror()])
def test_what_the_sockets_themselves_raise_means_that_the_engine_does_not_answer(error: OSError) -> None:
    assert isinstance(translate(error), EngineUnreachable)


def test_a_failure_that_docker_py_wraps_is_told_by_its_cause() -> None:
    """The client asks for the API's version first and wraps whatever goes wrong then."""

    def wrapped(cause: Exception) -> Exception:
        outer = docker.errors.DockerException("Error while fetching server API version")
        outer.__cause__ = cause
        return outer

    assert isinstance(translate(wrapped(requests.ConnectionError("refused"))), EngineUnreachable)
    answered = translate(wrapped(instance(docker.errors.APIError)))
    assert answered.exit_code == 1
    assert "the engine's words" in answered.message


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Pool overlaps with other one on this address space", SubnetTaken),
        ("could not find an available, non-overlapping IPv4 address pool among the defaults", ResourceExhausted),
        ("all predefined address pools have been fully subnetted", ResourceExhausted),
        ("no available IPv4 addresses on this network's address pools: lan (1f2e)", ResourceExhausted),
        ("adding interface vethab to bridge br-1 failed: exchange full", ResourceExhausted),
        ("write /var/lib/docker/x: no space left on device", ResourceExhausted),
        (
            "driver failed programming external connectivity on endpoint web (1f2e): all ports are allocated",
            ResourceExhausted,
        ),
        ("driver failed programming external connectivity: port is already allocated", FleetError),
        ("error while removing network: network lan has active endpoints", FleetError),
        ("No such container: 1f2e", FleetError),
        ("network fleet_lan is ambiguous (2 matches found on name)", FleetError),
        ("pull access denied for nothing, repository does not exist", FleetError),
    ],
)
def test_what_the_engine_says_gets_the_right_kind_and_a_hint(words: str, kind: type[FleetError]) -> None:
    answer = requests.Response()
    answer.status_code = 500
    ours = translate(docker.errors.APIError("500 Server Error", response=answer, explanation=words))
    assert type(ours) is kind
    assert words in ours.message
    assert ours.hint


def test_an_error_of_our_own_passes_unchanged() -> None:
    ours = ResourceExhausted("used up")
    assert translate(ours) is ours


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(KeyError), translated("do it", ENDPOINT):
        raise KeyError("a bug")
