"""The locked requirements of the server's image, and the script that fetches them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

CONTEXT = Path(__file__).parents[3] / "images" / "uuid"


def requirements() -> list[str]:
    """The entries of the lock, each with its hashes, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (CONTEXT / "requirements.txt").read_text(), flags=re.MULTILINE)
    return re.split(r"\n(?=\S)", text.strip())


def test_every_requirement_is_pinned_to_one_version_and_to_hashes() -> None:
    """pip checks the hashes of what it downloads, so nobody can slip in another file."""
    assert len(requirements()) > 5
    for entry in requirements():
        assert re.match(r"[a-z0-9-]+==\S+ \\\n(\s+--hash=sha256:[0-9a-f]{64}( \\\n)?)+", entry), entry


def test_the_lock_holds_what_was_asked_for() -> None:
    """Each name of requirements.in has its line in requirements.txt."""
    asked = re.findall(r"^[a-z0-9-]+", (CONTEXT / "requirements.in").read_text(), flags=re.MULTILINE)
    assert set(asked) <= {entry.split("==")[0] for entry in requirements()}


def test_the_lock_names_no_package_index() -> None:
    """Whoever builds the image takes the index of the own machine."""
    assert not re.search(r"index-url|find-links|https?://", (CONTEXT / "requirements.txt").read_text())


def test_fetching_wheels_does_nothing_while_the_lock_is_unchanged(tmp_path: Path) -> None:
    """Every `make up` runs it; with the wheels at hand it must not even start Python."""
    for name in ("fetch-wheels", "requirements.txt"):
        shutil.copy(CONTEXT / name, tmp_path)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    shutil.copy(tmp_path / "requirements.txt", wheels)
    without_python = {**os.environ, "PYTHON": "/bin/false"}
    assert subprocess.run([tmp_path / "fetch-wheels"], env=without_python, check=False).returncode == 0
    (wheels / "requirements.txt").write_text("another lock\n")
    assert subprocess.run([tmp_path / "fetch-wheels"], env=without_python, check=False).returncode == 1
    assert not wheels.exists()
