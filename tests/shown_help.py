"""The help texts that the documents show: blocks that begin with `Usage:`."""

from __future__ import annotations

import re

from fleetctl.commands.root import COMMANDS, cli

WIDTH = 100

BLOCK = re.compile(r"^```text\n(Usage: fleetctl ([a-z-]+ )?.*?)^```$", re.MULTILINE | re.DOTALL)


def help_texts() -> dict[str, str]:
    """Command ('' for fleetctl itself) -> what its --help prints on a terminal of WIDTH columns."""
    root = cli.make_context("fleetctl", [], resilient_parsing=True, terminal_width=WIDTH)
    texts = {"": cli.get_help(root)}
    for name in sorted(COMMANDS):
        command = cli.get_command(root, name)
        assert command is not None
        texts[name] = command.get_help(command.make_context(name, [], parent=root, resilient_parsing=True))
    return {name: f"{text}\n" for name, text in texts.items()}


def shown_help(text: str) -> dict[str, str]:
    """The same, as a document shows it."""
    return {(found[2] or "").strip(): found[1] for found in BLOCK.finditer(text)}


def replace_help(text: str) -> str:
    """The document with today's help texts in its blocks."""
    texts = help_texts()
    return BLOCK.sub(lambda found: f"```text\n{texts[(found[2] or '').strip()]}```", text)
