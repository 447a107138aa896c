"""The label keys that mark an object as ours; nothing without them is ever touched."""

from __future__ import annotations

PREFIX = "dev.fleetctl."

FLEET = PREFIX + "fleet"
"""Name of the fleet; on every container, network and volume. Never on an image: a container that somebody runs from
it by hand would inherit the label and pass for ours."""
SERVICE = PREFIX + "service"
"""Name of the service; on containers."""
REPLICA = PREFIX + "replica"
"""Number of the replica within its service, counted from 1; on containers."""
DIGESTS = PREFIX + "digests"
"""JSON object: key path -> short digest of what the container, network or volume was made from."""
RELEASE = PREFIX + "release"
"""What the container was made from (spec/release.py), so that it can be put back; on containers."""
PREVIOUS = PREFIX + "previous"
"""Image id and release, with a blank between them, of what was there before; empty for a first release; on
containers."""
RESTORED = PREFIX + "restored"
""""true" where the container was made to put a former release back, else empty; on containers."""
RUN = PREFIX + "run"
"""Id of the run of fleetctl that made the object."""
NETWORK = PREFIX + "network"
"""Key of the network in fleet.yaml; on networks."""
VOLUME = PREFIX + "volume"
"""Key of the volume in fleet.yaml; on volumes."""
BUILT_FOR = PREFIX + "built-for"
"""Name of the fleet that an image was built for; on images, and so on whatever is made from them."""
CONTEXT = PREFIX + "context"
"""Digest of the build's context, Dockerfile and arguments; on images."""
HELPER = PREFIX + "helper"
"""What a helper container, or its image, is for: "probe". It belongs to no fleet."""
