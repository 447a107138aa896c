"""Records anew what the documents show, where it is not what commands print today:

    python -m tests.refresh_docs [--all] [DOCUMENT]…

Help texts come from click, hops and causes from the program. Sessions are run again, a whole document at a time so that
its addresses and identities fit together; `--all` records those that still agree, too. A shown output that is cut is
cut in the same places.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.scratch import scratch_copy
from tests.shown_causes import replace_causes
from tests.shown_help import replace_help
from tests.shown_sessions import (
    BLOCK,
    PICTURE,
    ROOT,
    Exchange,
    agrees,
    cut_like,
    documents,
    exchanges,
    items,
    pictures_of,
    read_block,
)


def record(session: list[Exchange], directory: Path) -> list[Exchange]:
    """The same commands with what they print now."""
    recorded = []
    with scratch_copy(directory) as scratch:
        for exchange in session:
            if not exchange.is_run:
                recorded.append(exchange)
                continue
            code, real = scratch.run(exchange)
            if code:
                raise SystemExit(f"{exchange.command} exits {code}:\n" + "\n".join(real))
            recorded.append(replace(exchange, shown=cut_like(exchange.shown, real)))
    return recorded


def refreshed(text: str, directory: Path, *, everything: bool) -> str:
    session = exchanges(text)
    if not any(exchange.is_run for exchange in session):
        return text
    recorded = record(session, directory)
    pairs = zip(session, recorded, strict=True)
    if not everything and all(agrees(items(old.shown), items(new.shown)) for old, new in pairs):
        return text
    rest = iter(recorded)
    text = BLOCK.sub(
        lambda block: "```console\n" + "".join(str(next(rest)) for _ in read_block(block[1])) + "```",
        text,
    )
    pictures = iter(pictures_of(recorded))
    return PICTURE.sub(lambda _: "```mermaid\n" + "".join(f"{line}\n" for line in next(pictures)) + "```", text)


def main() -> None:
    named = {Path(word).resolve() for word in sys.argv[1:] if not word.startswith("-")}
    for path in documents():
        if named and path not in named:
            continue
        before = path.read_text()
        text = replace_causes(replace_help(before))
        with tempfile.TemporaryDirectory() as directory:
            after = refreshed(text, Path(directory, "fleetctl"), everything="--all" in sys.argv)
        if after != before:
            path.write_text(after)
            sys.stdout.write(f"recorded anew: {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
