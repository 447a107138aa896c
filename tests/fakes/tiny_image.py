"""A two-megabyte image of busybox for tests that need containers and not an application."""

from __future__ import annotations

import fcntl
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import docker

TEST_LABEL = "dev.fleetctl.test"
TAG = "fleetctl-test/busybox:local"
# fmt: off
_APPLETS = (
    "cat", "date", "echo", "env", "false", "head", "hostname", "httpd", "id", "ip", "kill", "ls",
    "mkdir", "nc", "netstat", "nslookup", "printf", "ps", "rm", "seq", "sh", "sleep", "test",
    "touch", "true", "wc", "wget",
)
# fmt: on


def tiny_image(client: docker.DockerClient) -> str:
    """The tag of an image with `sh`, `sleep`, `httpd`, `nc`, `ip` and more of busybox, imported when missing.

    Nothing is pulled from a registry. By default it sleeps until SIGTERM. It carries the label
    `dev.fleetctl.test=tiny-image`.
    """
    # Test processes start side by side; a second import under one tag would leave an untagged image behind.
    with Path(tempfile.gettempdir(), "fleetctl-test-tiny-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not client.images.list(name=TAG, filters={"label": f"{TEST_LABEL}=tiny-image"}):
            repository, tag = TAG.split(":")
            client.api.import_image_from_data(
                _root_filesystem(),
                repository=repository,
                tag=tag,
                changes=[
                    # As process 1 `sleep` would ignore SIGTERM and cost every stop its full grace.
                    """CMD ["sh","-c","trap 'exit 0' TERM; sleep 2147483647 & wait"]""",
                    "ENV PATH=/bin",
                    f"LABEL {TEST_LABEL}=tiny-image",
                ],
            )
    return TAG


def _root_filesystem() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "www"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        content = _static_busybox()
        program = tarfile.TarInfo("bin/busybox")
        program.size, program.mode = len(content), 0o755
        tar.addfile(program, io.BytesIO(content))
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return stream.getvalue()


def _static_busybox() -> bytes:
    """The machine's own busybox when it needs no shared library, else the one of Debian's package, not installed."""
    here = shutil.which("busybox")
    if here:
        content = Path(here).read_bytes()
        if b"/ld-" not in content[:4096]:  # the interpreter's path stands in the ELF header of a dynamic program
            return content
    with tempfile.TemporaryDirectory() as folder:
        download = ["apt-get", "download", "busybox-static"]
        done = subprocess.run(download, cwd=folder, capture_output=True, text=True, check=False)
        packages = [str(path) for path in Path(folder).glob("*.deb")]
        if not packages:
            reason = done.stderr.strip()
            raise RuntimeError(f"the tests need a static busybox (apt-get install busybox-static): {reason}")
        subprocess.run(["dpkg-deb", "-x", packages[0], folder], check=True)
        return Path(folder, "bin/busybox").read_bytes()
