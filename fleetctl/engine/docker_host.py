"""One Docker host: observes and applies through docker-py's low-level client."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fleetctl.engine import labels, translate
from fleetctl.engine.endpoint import Endpoint
from fleetctl.engine.faults import translated
from fleetctl.errors import EngineUnreachable, FleetError
from fleetctl.state.observed import Observed, ObservedImage, ObservedNetwork, Replica

if TYPE_CHECKING:
    from docker import APIClient

    from fleetctl.engine.base import LogOptions
    from fleetctl.engine.exec_pipe import ExecPipe
    from fleetctl.plan.actions import Action
    from fleetctl.spec.model import Build

GONE_OR_ENDED = (404, 409)
"""No such container; it is not running (Docker Engine API, ContainerTop)."""

WIRING_EVENTS = (
    *("create", "start", "restart", "die", "pause", "unpause", "rename", "destroy", "health_status"),
    *("connect", "disconnect"),
)
"""Events after which the wiring may be another (Docker Engine API, SystemEvents); not those of each exec."""


class DockerHost:
    """An Engine over one Docker host. `progress` gets one line at a time while an image is built or pulled."""

    def __init__(
        self,
        client: APIClient,
        endpoint: Endpoint,
        *,
        run: str = "",
        progress: Callable[[str, str], None] | None = None,
    ) -> None:
        self.client = client
        self.endpoint = endpoint.address
        self.host = endpoint.host
        self.local = endpoint.local
        self.run = run
        self.progress = progress or (lambda reference, line: None)

    def close(self) -> None:
        self.client.close()

    # Look

    def observe(self, fleet_name: str, images: Collection[str] = ()) -> Observed:
        """Three calls, one per network of the fleet and one per image reference."""
        replicas = self.observe_replicas(fleet_name)
        with translated(f"look at fleet {fleet_name}", self.endpoint):
            networks = [self.with_containers(entry, fleet_name) for entry in self.client.networks()]
            volumes = self.client.volumes().get("Volumes") or []
            found = {reference: self.find_image(reference) for reference in sorted(set(images))}
        return Observed(
            fleet=fleet_name,
            replicas=replicas,
            networks=tuple(translate.network_from_json(entry) for entry in networks if entry is not None),
            volumes=tuple(translate.volume_from_json(entry) for entry in volumes),
            images={reference: image for reference, image in found.items() if image is not None},
        )

    def observe_replicas(self, fleet_name: str, container_id: str | None = None) -> tuple[Replica, ...]:
        """Only the containers, or only that one, by service, number and name, in one call."""
        filters = {"label": f"{labels.FLEET}={fleet_name}"}
        if container_id is not None:
            filters["id"] = container_id
        with translated(f"look at fleet {fleet_name}", self.endpoint):
            containers = self.client.containers(all=True, filters=filters)
        found = (translate.replica_from_list(entry) for entry in containers)
        return tuple(sorted(found, key=lambda replica: (replica.service, replica.number, replica.name)))

    def everything(self) -> tuple[tuple[Replica, ...], tuple[ObservedNetwork, ...]]:
        """Every container and network of the engine, by name, whoever made them; two calls."""
        with translated("look at all containers and networks", self.endpoint):
            containers, networks = self.client.containers(all=True), self.client.networks()
        replicas = (translate.replica_from_list(entry) for entry in containers)
        found = (translate.network_from_json(entry) for entry in networks)
        return tuple(sorted(replicas, key=lambda one: one.name)), tuple(sorted(found, key=lambda one: one.name))

    def events(self) -> Iterator[str]:
        """What happens to containers and networks from now on, one text each such as "container die"; blocks until
        something does. Ends when the engine ends."""
        filters = {"type": ["container", "network"], "event": list(WIRING_EVENTS)}
        with translated("follow the engine's events", self.endpoint):
            # Apart from the other calls: this answer lasts as long as somebody listens, and has no timeout.
            for event in self.client.events(decode=True, filters=filters):
                yield f"{event.get('Type')} {event.get('Action')}"

    def with_containers(self, entry: dict[str, Any], fleet_name: str) -> dict[str, Any] | None:
        """The network as inspection shows it, with what is attached, if it is the fleet's; None when it is gone."""
        from docker.errors import NotFound

        if (entry.get("Labels") or {}).get(labels.FLEET) != fleet_name:
            return entry
        try:
            inspected: dict[str, Any] = self.client.inspect_network(entry["Id"])
        except NotFound:
            return None
        return inspected

    def find_image(self, reference: str) -> ObservedImage | None:
        from docker.errors import NotFound

        try:
            return translate.image_from_json(reference, self.client.inspect_image(reference))
        except NotFound:
            return None

    def inspect(self, replicas: Iterable[Replica]) -> tuple[Replica, ...]:
        """The same replicas with what only inspection tells; one call each. Those that are gone are left out."""
        from docker.errors import NotFound

        found = []
        for replica in replicas:
            with translated(f"inspect {replica.name}", self.endpoint), suppress(NotFound):
                entry = self.client.inspect_container(replica.id)
                found.append(translate.with_inspection(replica, entry))
        return tuple(found)

    def inspect_replica(self, replica: Replica) -> Replica | None:
        """One replica with what only inspection tells, None when it is gone."""
        return next(iter(self.inspect([replica])), None)

    def last_lines(self, container_id: str, count: int) -> tuple[str, ...]:
        """The last lines of the log, raw; () when the container is gone or its log driver cannot be read."""
        try:
            with translated("read the log", self.endpoint):
                text = self.client.logs(container_id, tail=count)
        except EngineUnreachable:
            raise
        except FleetError:
            return ()
        return tuple(text.decode(errors="replace").splitlines())

    def logs(self, container_id: str, wanted: LogOptions) -> Iterator[bytes]:
        """The log in chunks, as the engine has it; follows until the container ends where that is asked for. A
        container that is gone has none."""
        from docker.errors import NotFound

        with translated("read the log", self.endpoint), suppress(NotFound):
            yield from self.client.logs(
                container_id,
                stream=True,
                follow=wanted.follow,
                tail="all" if wanted.tail is None else wanted.tail,
                since=wanted.since,
                timestamps=wanted.timestamps,
            )

    def top(self, container_id: str) -> tuple[list[str], list[list[str]]]:
        """Titles and rows of the process list, as ps -eo of the engine's host shows them; both empty for a container
        that is gone or has ended meanwhile."""
        from docker.errors import APIError

        with translated("list processes", self.endpoint):
            try:
                found = self.client.top(container_id, ps_args="-eo user,pid,ppid,pcpu,rss,args")
            except APIError as error:
                if error.status_code in GONE_OR_ENDED:
                    return [], []
                raise
        return found["Titles"], found.get("Processes") or []

    def context_digest(self, build: Build) -> str:
        """Hex SHA-256 of everything an image is built from."""
        from fleetctl.engine.build_context import context_digest

        return context_digest(build)

    def about(self) -> Mapping[str, str]:
        """What the engine says of itself."""
        with translated("ask the engine for its version", self.endpoint):
            version = self.client.version()
        return {
            "version": str(version.get("Version")),
            "api": str(version.get("ApiVersion")),
            "os": f"{version.get('Os')}/{version.get('Arch')}",
            "kernel": str(version.get("KernelVersion")),
        }

    def started(self) -> datetime | None:
        """When the engine began to run; None where that cannot be known from here."""
        from fleetctl.engine.daemon import started

        return started(self.endpoint)

    # Look through a helper container

    def ensure_helper(self, image: str, files: Mapping[str, bytes]) -> None:
        """Build the helper's image where it is missing; `progress` gets one line then."""
        from fleetctl.engine.helper import ensure_image

        ensure_image(self.client, self.endpoint, image, files, self.progress)

    def run_helper(self, image: str, line: bytes, patience: float) -> bytes:
        """What a helper container answers to the line."""
        from fleetctl.engine.helper import run_helper

        return run_helper(self.client, self.endpoint, image, self.run, line, patience)

    # Speak with a container

    def open_pipe(self, container_id: str, command: tuple[str, ...]) -> ExecPipe:
        """A command in a running container, to be spoken with."""
        from fleetctl.engine.exec_pipe import ExecPipe

        return ExecPipe(self.client, self.endpoint, container_id, command)

    def put_files(self, container_id: str, directory: str, files: Mapping[str, bytes]) -> None:
        """Write files into a directory of a container, running or not."""
        from fleetctl.engine.archive import archive

        with translated(f"write into {directory} of a container", self.endpoint):
            self.client.put_archive(container_id, directory, archive(files))

    def get_file(self, container_id: str, path: str) -> bytes:
        """A file of a container, running or not (Docker Engine API, ContainerArchive). Raises FleetError also where it
        is none."""
        from fleetctl.engine.archive import unpacked

        with translated(f"read {path} of a container", self.endpoint):
            stream, _ = self.client.get_archive(container_id, path)
            return unpacked(stream)

    # Act

    def apply(self, action: Action) -> str:
        """Do one thing; returns the id of what was made, else ''."""
        from fleetctl.engine.docker_actions import perform
        from fleetctl.plan.naming import target, verb

        with translated(f"{verb(action)} {target(action)}", self.endpoint):
            return perform(self, action)
