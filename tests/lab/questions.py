"""What the rows of the laboratory ask: arguments of diagnose, names in braces as in `Fleet.names`.

The fleet's first replica is asked by its name alone where no constant stands."""

from __future__ import annotations

from tests.lab.fleet import ASKER, CLIENT, PORT, SUBJECT, SUBJECT_PORT, WEB

FROM_CLIENT = f"--from {CLIENT} --to {WEB}:{PORT}"
EGRESS = f"--from {CLIENT} --to " + "{outside}"
FROM_OUTSIDE = "http://{uplink}:{published}/"
"""The first replica, at the address that others have for the host."""

THE_SUBJECT = f"{SUBJECT}:{PORT}"
TO_SUBJECT = f"--from {CLIENT} --to {SUBJECT}:{PORT}"
FROM_ASKER = f"--from {ASKER} --to {SUBJECT}:{PORT}"
LOCALLY = f"http://127.0.0.1:{SUBJECT_PORT}/"
"""Where a fault publishes it, asked on the host itself."""
