"""What tests/once-more makes of failed tests, with real runs of pytest."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "once-more"
UNSTEADY = """
from pathlib import Path

def test_unsteady():
    seen = Path("seen")
    there = seen.exists()
    seen.touch()
    assert there
"""
BROKEN = "def test_broken(): assert False\n"


def run_twice(directory: Path, **tests: str) -> tuple[int, str]:
    """Run the tests and then, as `make test` does, those that failed; returns the last status and all that was said."""
    (directory / "tests").mkdir()
    script = Path(shutil.copy(SCRIPT, directory / "tests"))
    for name, text in tests.items():
        (directory / "tests" / f"test_{name}.py").write_text(text)
    first = subprocess.run([sys.executable, "-m", "pytest", "tests"], cwd=directory, capture_output=True, check=False)
    second = subprocess.run(
        [script, str(first.returncode), sys.executable, "tests"], capture_output=True, text=True, check=False
    )
    return second.returncode, second.stdout + second.stderr


def test_what_passes_alone_is_named_as_unsteady(tmp_path: Path) -> None:
    status, said = run_twice(tmp_path, a="def test_good(): pass\n", b=UNSTEADY)
    assert status == 0
    assert "1 passed" in said
    *_, told, which = said.splitlines()
    assert told == "once more: UNSTEADY: 1 failed above beside the others, and passed alone:"
    assert which == "tests/test_b.py::test_unsteady"


def test_what_fails_again_fails_the_run(tmp_path: Path) -> None:
    status, said = run_twice(tmp_path, a=UNSTEADY, b=BROKEN)
    assert status == 1
    assert "1 failed, 1 passed" in said
    assert "UNSTEADY" not in said


def test_more_than_three_failures_are_not_run_again(tmp_path: Path) -> None:
    status, said = run_twice(tmp_path, **dict.fromkeys("abcd", BROKEN))
    assert (status, said) == (1, "once more: 4 tests failed, more than 3: that is no accident\n")


def test_a_run_that_could_not_begin_is_not_repeated(tmp_path: Path) -> None:
    status, said = run_twice(tmp_path, a="this is no Python\n")
    assert (status, said) == (2, "")
