"""Options that many commands share, and how they become a fleet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleetctl.errors import ConfigError

if TYPE_CHECKING:
    from fleetctl.spec.model import Fleet

FILE_NAMES = ("fleet.yaml", "fleet.yml")

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class FleetSource:
    """Which file or files describe the fleet, and how they are read."""

    files: tuple[str, ...] = ()
    fleet_name: str | None = None
    env_file: str | None = None
    profiles: tuple[str, ...] = ()
    unsafe: bool = False

    def load(self, scale: Mapping[str, int] | None = None) -> Fleet:
        """Read the fleet, with other numbers of replicas where `scale` says so, and print its warnings. Raises
        ConfigError."""
        from fleetctl.spec.load import load_fleet
        from fleetctl.view.terminal import warn

        fleet = load_fleet(
            list(self.files) or default_files(os.environ),
            os.environ,
            fleet_name=self.fleet_name or os.environ.get("FLEET_NAME") or None,
            profiles=self.profiles,
            env_file=Path(self.env_file) if self.env_file else None,
            unsafe=self.unsafe,
            read_stdin=lambda: sys.stdin.buffer.read(),
        )
        if scale:
            from fleetctl.spec.scale import with_replicas

            fleet = with_replicas(fleet, scale)
        for warning in fleet.warnings:
            warn(warning)
        return fleet

    def load_if_there(self) -> Fleet | None:
        """The fleet where a file was named or is found; None where there is none to find."""
        named = self.files or self.fleet_name or os.environ.get("FLEET_FILE") or os.environ.get("FLEET_NAME")
        return self.load_name() if named or find_file(Path.cwd()) else None

    def load_name(self) -> Fleet:
        """A fleet that is known by name only, where no file says more: enough to look at it or take it down."""
        from fleetctl.spec.model import Fleet

        name = self.fleet_name or os.environ.get("FLEET_NAME")
        if name and not self.files and not os.environ.get("FLEET_FILE") and not find_file(Path.cwd()):
            return Fleet(name, Path.cwd(), (), {})
        return self.load()


def default_files(environment: Mapping[str, str]) -> list[str]:
    """FLEET_FILE (several are separated as in PATH), else the nearest fleet.yaml upwards from here."""
    if named := environment.get("FLEET_FILE"):
        return [part for part in named.split(os.pathsep) if part]
    found = find_file(Path.cwd())
    if found is None:
        raise ConfigError(
            "no fleet.yaml here or in any directory above", hint="write one, or name it with -f FILE or FLEET_FILE"
        )
    return [found]


def find_file(directory: Path) -> str | None:
    for folder in (directory, *directory.parents):
        for name in FILE_NAMES:
            path = folder / name
            if path.is_file():
                return name if folder == directory else str(path)
    return None


def fleet_options(function: Function) -> Function:
    """Add -f, -p, --env-file, --profile and --unsafe; the command gets them as one FleetSource named `source`. The
    same options may stand before the command, as in Docker Compose; those after it win."""
    return add_fleet_options(function, short_file=True)


def fleet_options_without_f(function: Function) -> Function:
    """The same for a command in which -f means something else: there the file is --file, or -f before the command."""
    return add_fleet_options(function, short_file=False)


def add_fleet_options(function: Function, *, short_file: bool) -> Function:
    from functools import wraps

    file_names = ("-f", "--file", "files") if short_file else ("--file", "files")

    @click.option(
        *file_names,
        multiple=True,
        metavar="FILE",
        help="The fleet's file; may be given again, '-' is stdin.  [default: the nearest fleet.yaml; env FLEET_FILE]",
    )
    @click.option("-p", "--project-name", "fleet_name", metavar="NAME", help="The fleet's name.  [env FLEET_NAME]")
    @click.option("--env-file", metavar="FILE", help="Variables for ${…} in the file, instead of .env beside it.")
    @click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Include services of this profile.")
    @click.option("--unsafe", is_flag=True, help="Allow keys that give the host away; each is printed.")
    @click.pass_context  # type: ignore[arg-type]  # wraps hides that the context comes first
    @wraps(function)
    def wrapped(
        context: click.Context,
        files: tuple[str, ...],
        fleet_name: str | None,
        env_file: str | None,
        profiles: tuple[str, ...],
        unsafe: bool,
        **rest: Any,
    ) -> Any:
        before = context.obj if isinstance(context.obj, FleetSource) else FleetSource()
        source = FleetSource(
            files or before.files,
            fleet_name or before.fleet_name,
            env_file or before.env_file,
            profiles or before.profiles,
            unsafe or before.unsafe,
        )
        if context.parent is None:
            context.obj = source
        return function(source=source, **rest)

    return wrapped  # type: ignore[return-value]  # the same function with other parameters


def format_option(function: Function) -> Function:
    """Add --format table|json as `output`."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How to print the result.",
    )(function)


grace_option = click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0),
    help="Grace in seconds when a replica is stopped; then it is killed.  [default: its stop_grace_period]",
)


def seconds_option(flag: str, default: float, text: str) -> Callable[[Function], Function]:
    """A time-out, which is never 0."""
    positive = click.FloatRange(min=0, min_open=True)
    return click.option(flag, type=positive, default=default, show_default=True, help=text)


wait_option = seconds_option("--wait-timeout", 60.0, "Seconds a replica may take until it is ready.")
answer_timeout_option = seconds_option("--timeout", 5.0, "Seconds for one whole answer.")


class ScaleType(click.ParamType[tuple[str, int]]):
    """SERVICE=COUNT."""

    name = "SERVICE=COUNT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        service, equals, count = str(value).partition("=")
        if not equals or not service or not (count.isascii() and count.isdecimal()):
            self.fail(f"{value!r} is not SERVICE=COUNT, for example web=3", param, ctx)
        return service, int(count)


class PathType(click.ParamType[str]):
    """The path of a URL."""

    name = "PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from fleetctl.spec.http import is_path

        if not is_path(value):
            self.fail(f"{value!r} is no path of a URL: begin with /, and write odd characters as %XX", param, ctx)
        return str(value)


def split_target(name: str, index: int | None) -> tuple[str, int | None]:
    """SERVICE, or REPLICA as SERVICE-N; an --index given beside wins."""
    head, dash, tail = name.rpartition("-")
    if index is None and dash and tail.isdecimal():
        return head, int(tail)
    return name, index
