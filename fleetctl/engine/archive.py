"""Packs files as the engine takes them, and unpacks one as it gives it: a tar archive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping

from fleetctl.errors import FleetError


def archive(files: Mapping[str, bytes]) -> io.BytesIO:
    """The files (content by name) in memory. Owners and times are zero, so that equal contents give equal layers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer


LARGEST = 16 << 20
"""Bytes of an archive that is read."""


def unpacked(stream: Iterable[bytes]) -> bytes:
    """The one file in an archive. Raises FleetError where it holds something else, or too much."""
    buffer = io.BytesIO()
    for chunk in stream:
        buffer.write(chunk)
        if buffer.tell() > LARGEST:
            raise FleetError(f"a file of a container is larger than {LARGEST >> 20} MiB")
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        entry = tar.next()
        found = tar.extractfile(entry) if entry is not None and entry.isreg() else None
        if found is None:
            raise FleetError("what a container has there is no file")
        return found.read()
