"""Asks the kernel of the engine's host through a container there, for a moment and with few capabilities."""

from __future__ import annotations

from fleetctl.engine.base import HelperHost
from fleetctl.vantage.base import Answer, Request
from fleetctl.vantage.codec import decode_answer, encode
from fleetctl.vantage.image import context_files, reference_of

SPARE = 30.0
"""Seconds for making the container and for everything that has no timeout of its own."""


class Helper:
    """A Vantage through a helper container, one for each request. Raises kinds of FleetError when the engine refuses it
    or cannot be reached, or when what comes back is no answer."""

    name = "helper container"

    def __init__(self, engine: HelperHost, reasons: tuple[str, ...] = ()) -> None:
        self.engine = engine
        self.reasons = reasons

    def ask(self, request: Request) -> Answer:
        """The image is made first where the engine lacks it."""
        files = context_files()
        image = reference_of(files)
        self.engine.ensure_helper(image, files)
        return decode_answer(self.engine.run_helper(image, encode(request), request.longest + SPARE))
