"""Entry point: runs a command and turns every error into one clear message and the documented exit code."""

from __future__ import annotations

import errno
import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from fleetctl.commands.root import cli
from fleetctl.errors import FleetError

BROKEN_PIPE = 141
"""128 + SIGPIPE: what a shell reports of a program whose reader went away."""
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Why write(2) refuses a file or terminal that somebody gave us as stdout."""
SELDOM = 100_000
"""New objects after which the garbage collector runs: at Python's 700 it would walk over the libraries time and again
while they are imported, for a twelfth of what a command takes."""


def main() -> NoReturn:
    """Run the command line and exit."""
    gc.set_threshold(SELDOM)
    open_missing_streams()
    code = run()
    try:
        sys.stdout.flush()
    except OSError as error:
        code = refused(error)
        # Python flushes stdout once more at exit; give it somewhere to write (Python docs, signal: SIGPIPE).
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    gc.freeze()  # what is left ends with the process: no use in searching it for cycles first
    sys.exit(code)


def open_missing_streams() -> None:
    """Give a standard stream that was closed by whoever started us an empty one, lest a file or socket of ours takes
    its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # They last as long as the process.
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def refused(error: OSError) -> int:
    """Say that stdout takes no more, where anybody wants to know; returns the exit code."""
    from fleetctl.view.terminal import show_error

    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    # Often stderr goes the same way as stdout.
    with suppress(OSError):
        show_error(FleetError(f"cannot write the result: {error.strerror}"))
    return FleetError.exit_code


def run() -> int:
    """The command's exit code; no exception leaves it."""
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
        if leaving.code == 1:
            return BROKEN_PIPE
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except OSError as error:
        if isinstance(error, BrokenPipeError) or (error.errno in UNWRITABLE and error.filename is None):
            return refused(error)
        return own_fault(error)
    except Exception as error:  # noqa: BLE001  # the last resort: a user never sees a traceback
        return own_fault(error)


def own_fault(error: Exception) -> int:
    """Say that the program is wrong; returns the exit code. Raises the error itself for whoever wants to mend it."""
    from fleetctl.view.terminal import show_error

    if os.environ.get("FLEET_TRACEBACK"):
        raise error
    show_error(
        FleetError(
            f"fleetctl has a fault of its own: {type(error).__name__}: {error}",
            hint="please report it with what FLEET_TRACEBACK=1 prints",
        )
    )
    return FleetError.exit_code


if __name__ == "__main__":
    main()
