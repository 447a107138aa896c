"""Entry point: runs a command and turns every error into one clear message and the documented exit code."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

import click

from fleetctl.commands.root import cli
from fleetctl.errors import FleetError

BROKEN_PIPE = 141
"""128 + SIGPIPE: what a shell reports of a program whose reader went away."""
SELDOM = 100_000
"""New objects after which the garbage collector runs: at Python's 700 it would walk over the libraries time and again
while they are imported, for a twelfth of what a command takes."""


def main() -> NoReturn:
    """Run the command line and exit."""
    gc.set_threshold(SELDOM)
    try:
        code = run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit; give it somewhere to write (Python docs, signal: SIGPIPE).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    sys.exit(code)


def run() -> int:
    """The command's exit code; no exception but BrokenPipeError leaves it."""
    from fleetctl.view.terminal import show_error

    try:
        result = cli.main(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except FleetError as error:
        show_error(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return 130
    except SystemExit as leaving:
        # Both click and rich leave so, with 1, when the reader of stdout went away; nothing else of ours does.
        return BROKEN_PIPE if leaving.code == 1 else 0
    except BrokenPipeError:
        raise
    except Exception as error:  # the last resort: a user never sees a traceback
        if os.environ.get("FLEET_TRACEBACK"):
            raise
        show_error(
            FleetError(
                f"fleetctl has a fault of its own: {type(error).__name__}: {error}",
                hint="please report it with what FLEET_TRACEBACK=1 prints",
            )
        )
        return 1


if __name__ == "__main__":
    main()
