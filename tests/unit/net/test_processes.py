"""Which processes are listed, and in which order."""

from __future__ import annotations

import subprocess
import sys

from fleetctl.net.processes import read_processes

MASTER_AND_WORKER = """
import os, socket, time
kept = socket.create_server(("127.0.0.1", 0))
time.sleep(0.05)  # several clock ticks
worker = os.fork()
if worker:
    print(worker, os.fstat(kept.fileno()).st_ino, flush=True)
time.sleep(60)
"""


def test_the_oldest_holder_of_a_socket_comes_first_whatever_its_number() -> None:
    """After pid_max numbers begin at the bottom again: a worker may have a lower one than its master, so be listed
    before it."""
    with subprocess.Popen([sys.executable, "-c", MASTER_AND_WORKER], stdout=subprocess.PIPE, text=True) as master:
        assert master.stdout is not None
        worker, inode = map(int, master.stdout.readline().split())
        try:
            found = read_processes(master.pid, (worker, master.pid))
        finally:
            subprocess.run(["kill", "-KILL", str(worker), str(master.pid)], check=True)
    assert [process.pid for process in found.processes] == [master.pid, worker]
    assert [process.pid for process in found.holders[inode]] == [master.pid, worker]


def test_a_child_that_nobody_waited_for_is_found_by_the_main_process_whatever_its_number() -> None:
    script = "import os, time\nif os.fork():\n    print('.', flush=True)\n    time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout is not None
        main.stdout.readline()
        try:
            found = read_processes(main.pid, ()).processes
            while not found:
                assert main.poll() is None
                found = read_processes(main.pid, ()).processes
        finally:
            main.kill()
    assert [(one.parent, one.state) for one in found] == [(main.pid, "Z")]
