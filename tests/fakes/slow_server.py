"""A service of busybox for loads and bad releases: some pages are slow, some give the body back, some fall ill."""

from __future__ import annotations

from typing import Any

from bench.harness.load import Mix
from tests.fakes.tiny_image import TAG

PORT = 8080
MIX = Mix(path="/", post_path="/echo.sh", slow_path="/slow.sh")
"""What to ask this server. It answers every request on a connection of its own (HTTP/1.0 habits of busybox)."""

# httpd hands files named *.sh to the shell, so that they need not be executable: the tmpfs is noexec.
_SCRIPT = r"""
cat /proc/sys/kernel/random/uuid > /tmp/index.html
echo '*.sh:/bin/sh' > /tmp/httpd.conf
cat > /tmp/answer <<'END'
answer() {
    printf 'Status: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s' "$1" "${#2}" "$2"
}
END
cat > /tmp/echo.sh <<'END'
. /tmp/answer
answer '200 OK' "$(cat /tmp/index.html; head -c "${CONTENT_LENGTH:-0}")"
END
cat > /tmp/slow.sh <<'END'
sleep @SLOW@
. /tmp/echo.sh
END
cat > /tmp/varying.sh <<'END'
. /tmp/answer
answer '200 OK' "$(cat /proc/sys/kernel/random/uuid)"
END
cat > /tmp/healthz.sh <<'END'
. /tmp/answer
if [ -e /tmp/sick ]; then answer '503 Service Unavailable' sick; else answer '200 OK' ok; fi
END
"""


def slow_server(
    replicas: int = 2,
    *,
    slow: float = 2.0,
    sick_after: float | None = None,
    ignores_sigterm: bool = False,
    varies: bool = False,
    **keys: Any,
) -> dict[str, Any]:
    """A service that answers with its own UUID on /, with that and the body on /echo.sh, so many seconds later on
    /slow.sh, and 200 on /healthz.sh: 503 from `sick_after` seconds after its start on. With `varies` the page that
    fleetctl asks, /varying.sh, has another UUID every time."""
    script = _SCRIPT.replace("@SLOW@", f"{slow:g}")
    if sick_after is not None:
        script += f"(sleep {sick_after:g}; touch /tmp/sick) &\n" if sick_after else "touch /tmp/sick\n"
    # Process 1 gets no signal that it has no handler for.
    trap = "" if ignores_sigterm else "trap 'exit 0' TERM\n"
    command = f"{trap}{script}httpd -f -p {PORT} -h /tmp -c /tmp/httpd.conf & wait"
    http = {"port": PORT, "health_path": "/healthz.sh", "path": "/varying.sh" if varies else "/"}
    return {
        "image": TAG,
        "command": ["sh", "-c", command.replace("$", "$$")],
        "deploy": {"replicas": replicas},
        "x-fleet": {"http": http},
        **keys,
    }
