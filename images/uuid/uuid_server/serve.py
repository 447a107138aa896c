"""gunicorn, set up for one instance: one master, its workers, one id in every line of the log."""

import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from uuid_server.app import HEALTH_PATH, create_app

# Below the 10 s that Docker grants by default, so that the master, not SIGKILL, ends a request that hangs.
GRACEFUL_TIMEOUT_SECONDS = 8
THREADS_PER_WORKER = 4
STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only nameless files are made there


class Server(BaseApplication):
    """Serves one instance on a listening socket, with as many worker processes as asked for."""

    def __init__(self, instance_id: str, listener: socket.socket, *, workers: int, max_requests: int) -> None:
        self.instance_id = instance_id
        host, port, *_ = listener.getsockname()
        self.settings = {
            "bind": f"fd://{listener.detach()}",
            "workers": workers,
            "max_requests": max_requests,
            "worker_class": "gthread",  # a client that connects and stays silent does not block the others
            "threads": THREADS_PER_WORKER,
            "graceful_timeout": GRACEFUL_TIMEOUT_SECONDS,
            "preload_app": True,  # imported once, in the master; the workers share its memory
            "post_worker_init": take_signals,
            "control_socket_disable": True,  # it would need a writable home directory
            "proc_name": f"uuid_server {host}:{port}",
            "logger_class": instance_logger(instance_id),
            "accesslog": "-",
            "access_log_format": '%(h)s "%(r)s" %(s)s %(B)s bytes %(M)s ms',
        }
        if os.access(SHARED_MEMORY, os.W_OK):
            # The workers' heartbeat files, away from slow disks and read-only roots.
            self.settings["worker_tmp_dir"] = str(SHARED_MEMORY)
        super().__init__()

    def load_config(self) -> None:
        """Hand gunicorn the settings; called again on SIGHUP."""
        for name, value in self.settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, made once in the master."""
        return create_app(self.instance_id)

    def run(self) -> None:
        """Serve until a signal says stop, then exit 0."""
        PatientArbiter(self).run()


class PatientArbiter(Arbiter):
    """gunicorn's master, but no stop signal is lost and SIGINT, like SIGTERM, spares the requests in flight."""

    def handle_int(self) -> None:
        """Stop gracefully; gunicorn takes a second SIGINT meanwhile for a quick stop."""
        self.handle_term()

    def spawn_worker(self) -> int:
        """Fork with the stop signals held back: one that came before the worker has handlers would be lost,
        and the master would wait out the whole grace period for that worker."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def take_signals(_worker: Worker) -> None:
    """Let a worker that is ready be stopped, but by the master alone.

    A terminal sends SIGINT to every process, and gunicorn's workers would drop their requests at it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def instance_logger(instance_id: str) -> type[Logger]:
    """A logger class for gunicorn that writes to stdout and names the instance in every line."""
    formatter = logging.Formatter(f"%(asctime)s {instance_id} [%(process)d] [%(levelname)s] %(message)s")

    class InstanceLogger(Logger):
        def setup(self, cfg: Config) -> None:
            super().setup(cfg)
            for handler in (*self.error_log.handlers, *self.access_log.handlers):
                handler.setFormatter(formatter)
                if isinstance(handler, logging.StreamHandler):
                    handler.setStream(sys.stdout)

        def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
            if environ.get("PATH_INFO") != HEALTH_PATH:  # asked every few seconds, and of no interest
                super().access(resp, req, environ, request_time)

    return InstanceLogger
