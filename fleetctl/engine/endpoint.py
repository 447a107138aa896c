"""Which engine is meant, and a connection to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fleetctl.engine.faults import translated
from fleetctl.errors import ConfigError

if TYPE_CHECKING:
    from docker import APIClient

LOOPBACK = "127.0.0.1"
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
DEFAULT_TIMEOUT = 60
"""Seconds to wait for one answer of the engine; a start of many containers at once can take this long."""
CONNECT_TIMEOUT = 10
"""Seconds to wait for the first answer, which costs the engine nothing."""
CONNECTIONS = 1
"""Kept open for each URL: docker-py makes a pool per URL of a socket, and a large one takes time to fill."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of an engine's API and where it was named: DOCKER_HOST, a Docker context, or the default."""

    address: str
    source: str

    @property
    def host(self) -> str | None:
        """The host at which ports published by this engine are reached; None where its containers live on this very
        host, so that their own addresses are.

        Docker Desktop and a rootless engine listen on a socket of this host, in ~/.docker or $XDG_RUNTIME_DIR
        (https://docs.docker.com/engine/security/rootless), but their networks lie elsewhere."""
        scheme, _, rest = self.address.rpartition("://")
        if scheme == "unix":
            return LOOPBACK if ".docker/" in rest or rest.startswith("/run/user/") else None
        return urlsplit(f"//{rest}").hostname or LOOPBACK

    @property
    def local(self) -> bool:
        """Whether the containers live on this host."""
        return self.host is None


def find_endpoint(environment: Mapping[str, str]) -> Endpoint:
    """DOCKER_HOST wins over DOCKER_CONTEXT and the current context, as in the Docker command line. Raises ConfigError
    for a context that does not exist."""
    if host := environment.get("DOCKER_HOST"):
        return Endpoint(host, "DOCKER_HOST")
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        context = ContextAPI.get_context(environment.get("DOCKER_CONTEXT") or None)
    except (DockerException, OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"the Docker context cannot be used: {error}", hint="see 'docker context ls', or set DOCKER_HOST"
        ) from error
    if context is None:
        raise ConfigError(
            f"there is no Docker context {environment.get('DOCKER_CONTEXT', 'of the configured name')}",
            hint="see 'docker context ls', or set DOCKER_HOST",
        )
    host, name = context.Host, context.Name
    if not host:
        return Endpoint(DEFAULT_SOCKET, "default")
    return Endpoint(host.replace("http+unix://", "unix://"), "default" if name == "default" else f"context {name}")


def connect(endpoint: Endpoint, environment: Mapping[str, str]) -> APIClient:
    """Open a client and learn the API's version. Raises EngineUnreachable, or ConfigError for a bad address."""
    import docker
    from docker.context import ContextAPI
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    if endpoint.address.startswith("ssh://") and find_spec("paramiko") is None:
        raise ConfigError(
            f"{endpoint.address} ({endpoint.source}) needs the library paramiko, which is not installed",
            hint="install fleetctl with it: pipx install 'fleetctl[ssh]', or pipx inject fleetctl paramiko",
        )
    timeout = read_timeout(environment)
    try:
        if endpoint.source.startswith("context "):
            parameters = ContextAPI.kwargs_from_context(endpoint.source.removeprefix("context "))
        else:
            parameters = kwargs_from_env(dict(environment))
    except (DockerException, OSError) as error:
        raise ConfigError(
            f"the TLS settings for {endpoint.address} cannot be used: {error}",
            hint="check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH",
        ) from error
    parameters["base_url"] = endpoint.address
    with translated("reach the engine", endpoint.address):
        client = docker.APIClient(
            version="auto",
            timeout=min(timeout, CONNECT_TIMEOUT),
            max_pool_size=CONNECTIONS,
            use_ssh_client=endpoint.address.startswith("ssh://"),
            **parameters,
        )
    client.timeout = timeout
    if endpoint.address.startswith("unix://"):
        # Proxies and .netrc have no say over a socket; requests would look for them at every call.
        client.trust_env = False
    adapter = getattr(client, "_custom_adapter", None)
    if adapter is not None and hasattr(adapter, "timeout"):
        adapter.timeout = timeout
    return client


def read_timeout(environment: Mapping[str, str]) -> int:
    """FLEET_ENGINE_TIMEOUT in seconds, or the default; raises ConfigError for anything but a positive number."""
    text = environment.get("FLEET_ENGINE_TIMEOUT", "")
    if not text:
        return DEFAULT_TIMEOUT
    seconds = int(text) if text.isascii() and text.isdecimal() else 0
    if not 0 < seconds < 86_400:
        raise ConfigError(f"FLEET_ENGINE_TIMEOUT={text!r} is not a whole number of seconds", hint="for example 60")
    return seconds
