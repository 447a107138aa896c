"""The helper's image holds the program whole, and nothing that would have to be compiled or fetched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fleetctl.vantage.image import context_files, reference_of


def unpacked(directory: Path) -> Path:
    for name, content in context_files().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


def test_everything_that_the_program_may_import_is_there(tmp_path: Path) -> None:
    """In an interpreter that sees the standard library and the context alone; also what is imported on use."""
    script = (
        "import sys; from importlib import import_module; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for path in sorted(Path(sys.argv[1], 'fleetctl').rglob('*.py')):\n"
        "    parts = path.relative_to(sys.argv[1]).with_suffix('').parts\n"
        "    import_module('.'.join(part for part in parts if part != '__init__'))\n"
        "files = [getattr(module, '__file__', None) or '' for module in sys.modules.values()]\n"
        "assert not [name for name in files if 'site-packages' in name]"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", script, str(unpacked(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_program_answers_from_the_context_alone(tmp_path: Path) -> None:
    """Even an empty request has an answer."""
    script = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1])\n"
        "runpy.run_module('fleetctl.vantage.agent', None, '__main__')"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", script, str(unpacked(tmp_path))]
    done = subprocess.run(command, input=b"{}\n", capture_output=True, check=True)
    assert done.stdout.startswith(b'{"host":')


def test_the_context_is_pure_python_and_its_dockerfile() -> None:
    """So it fits every processor and every Python from 3.11 on."""
    files = context_files()
    assert {Path(name).suffix for name in files} == {".py", ""}
    assert [name for name in files if "." not in name] == ["Dockerfile"]
    assert sum(map(len, files.values())) < 1_500_000


def test_the_name_changes_with_the_content_only() -> None:
    """Not with the day, and with every byte."""
    files = dict(context_files())
    assert reference_of(files) == reference_of(context_files())
    assert reference_of({**files, "Dockerfile": files["Dockerfile"] + b"\n"}) != reference_of(files)
    assert reference_of(files).startswith("fleetctl/probe:")


def test_images_shows_where_the_dockerfile_is() -> None:
    """It lies in the package, so that every installation has it."""
    assert Path("images/probe/Dockerfile").read_bytes() == context_files()["Dockerfile"]
