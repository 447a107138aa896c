"""What the helper container's image is made of: the program that asks, taken from this very installation."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

CONTENTS = {
    # Package: what of it the program imports; tests/unit/vantage/test_image.py finds what is missing here.
    "fleetctl": (
        "__init__.py",
        "errors.py",
        "check/__init__.py",
        "check/http.py",
        "check/probe.py",
        "net/*.py",
        "state/*.py",
        "vantage/__init__.py",
        "vantage/agent.py",
        "vantage/base.py",
        "vantage/codec.py",
        "vantage/local.py",
    ),
    "h11": ("*.py",),
    "pyroute2": (
        "__init__.py",
        "common.py",
        "config/**/*.py",
        "netlink/__init__.py",
        "netlink/exceptions.py",
        "netlink/rtnl/**/*.py",
    ),
}
REPOSITORY = "fleetctl/probe"


def context_files() -> Mapping[str, bytes]:
    """The build's context: content by name, sorted. Everything is pure Python, so that any base will do."""
    files = {"Dockerfile": Path(__file__).with_name("Dockerfile").read_bytes()}
    for package, patterns in CONTENTS.items():
        root = folder_of(package)
        for pattern in patterns:
            files |= {f"{package}/{path.relative_to(root)}": path.read_bytes() for path in root.glob(pattern)}
    return dict(sorted(files.items()))


def folder_of(package: str) -> Path:
    """Where the package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"No package named {package!r}", name=package)
    return Path(spec.submodule_search_locations[0])


def reference_of(files: Mapping[str, bytes]) -> str:
    """The image's name: another content is another image."""
    digest = sha256(b"".join(digest_parts(files)))
    return f"{REPOSITORY}:{digest.hexdigest()[:12]}"


def digest_parts(files: Mapping[str, bytes]) -> Iterator[bytes]:
    for name, content in files.items():
        yield f"{name}\0{len(content)}\0".encode()
        yield content
