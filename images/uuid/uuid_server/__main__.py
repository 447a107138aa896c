"""Run the server: `python -m uuid_server`."""

import os
import signal

# Until gunicorn takes both signals over. Without this a Ctrl-C during the imports prints a traceback, and
# SIGTERM does nothing at all in a container: there the server is process 1, and the kernel keeps from
# process 1 what it has no handler for. Not sys.exit, whose exception gets lost inside the import system.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: os._exit(0))

from uuid_server.cli import main  # noqa: E402 - the handlers come first

main(prog_name="python -m uuid_server")
