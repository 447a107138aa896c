"""x-fleet.http: how to talk HTTP to a service and to tell its instances apart."""

from __future__ import annotations

import re

from fleetctl.spec.compose_service import HttpShape
from fleetctl.spec.model import HttpSettings, Identity
from fleetctl.spec.site import Site

# RFC 3986: the characters of a path and a query.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{0,2000}", re.ASCII)
# RFC 6901: empty, or /-separated tokens in which ~ is written ~0 and / is written ~1.
_POINTER = re.compile(r"(/([^~/]|~[01])*)*")


def read_http(site: Site, raw: int | HttpShape | None) -> HttpSettings | None:
    """The settings with their defaults; readiness is asked on the usual path unless the file names another."""
    if raw is None:
        return None
    shape = HttpShape(port=raw) if isinstance(raw, int) else raw
    path = read_path(site.at("path"), shape.path or "/")
    return HttpSettings(
        port=shape.port,
        path=path,
        health_path=path if shape.health_path is None else read_path(site.at("health_path"), shape.health_path),
        identity=_read_identity(site.at("identity"), shape),
    )


def is_path(text: str) -> bool:
    """Whether it is the path of a URL, with or without a query."""
    return _PATH.fullmatch(text) is not None


def read_path(site: Site, path: str) -> str:
    """The path of a URL, with its query; a mistake is noted."""
    if not is_path(path):
        site.report(f"not a path of a URL: {path[:80]!r}", "begin with /, and write odd characters as %XX")
    return path


def _read_identity(site: Site, shape: HttpShape) -> Identity:
    identity = shape.identity
    if identity is None:
        return Identity()
    if identity.pattern is not None and identity.pointer is not None:
        site.report("pattern and pointer exclude each other", "keep one of them")
    if identity.pattern is not None:
        try:
            re.compile(identity.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            site.at("pattern").report(f"not a regular expression: {error}", "see Python's re module; $$ is a $")
    if identity.pointer is not None and not _POINTER.fullmatch(identity.pointer):
        site.at("pointer").report(f"not a JSON pointer: {identity.pointer[:80]!r}", "write it as in /instance/uuid")
    return Identity(identity.pattern, identity.pointer)
