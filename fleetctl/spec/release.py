"""A release is what replicas are made from; as text it goes with them, so that it can be put back later."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from fleetctl.errors import FleetError
from fleetctl.spec.model import Service
from fleetctl.spec.wording import shown

LEFT_OUT = frozenset(
    (
        "origins",
        "replicas",
        "update",
        "rollback",
        "depends_on",
        "profiles",
        "build",
        "pull_policy",
        "deploy_labels",
    )
)
"""What no container is made from: unpacked it has its default, and belongs to the file of the day."""
MAX_BYTES = 4 << 20
"""Linux starts no program with as much; a label that unpacks to more is refused."""

_BLANK = Service(name="", image="")


def pack(service: Service) -> str:
    """The release as printable ASCII for a container's label: JSON without what is default, compressed, in base64.
    The same service gives the same text (with the same zlib: compare what is unpacked, not the text)."""
    said = {
        field.name: value
        for field in fields(service)
        if field.name not in LEFT_OUT and (value := getattr(service, field.name)) != getattr(_BLANK, field.name)
    }
    # json, not msgspec.json: variables of the environment may hold bytes that are no UTF-8.
    text = json.dumps(msgspec.to_builtins(said, enc_hook=str), separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")


def unpack(text: str) -> Service:
    """The service that was packed, but for what is left out. Raises FleetError for all that `pack` did not write; that
    it is what a container was made from is shown by its digests alone."""
    try:
        said: Any = json.loads(_inflate(base64.b64decode(text, validate=True)))
        return msgspec.convert(said, Service, dec_hook=_decode, strict=True)
    except (ValueError, zlib.error, RecursionError) as error:
        raise FleetError(
            f"the release kept with a container cannot be read: {shown(str(error), 120)}",
            hint="bring the former fleet.yaml back and run fleetctl up",
        ) from None


def _inflate(data: bytes) -> bytes:
    """The bytes of one complete zlib stream, never more than MAX_BYTES of them."""
    stream = zlib.decompressobj()
    found = stream.decompress(data, MAX_BYTES)
    if not stream.eof or stream.unused_data:
        raise ValueError("it is cut, or too large")
    return found


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"no {kind.__name__}")


def refuse_changed_files(service: Service) -> None:
    """Raise FleetError where a config or secret that a former release mounts has other content by now."""
    for file in service.files:
        data = file.source.read_bytes() if file.source.is_file() else b""
        if hashlib.sha256(data).hexdigest() != file.content_digest:
            raise FleetError(
                f"{file.kind} {file.name} ({file.source}) was another in the former release of {service.name}",
                hint="bring the file's former content back, and run the command again",
            )
