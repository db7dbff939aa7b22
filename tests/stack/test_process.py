"""Children: ready or explained, stopped with all they started, and never outliving their parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from hive_portal.stack import HiveHome, StackError
from hive_portal.stack.process import Child
from hive_portal.stack.supervisor import Supervisor

pytestmark = pytest.mark.real


def gone(pid: int, within_s: float = 5) -> bool:
    """Whether a process ends in time; a zombie has ended."""
    give_up_at = time.monotonic() + within_s
    while time.monotonic() < give_up_at:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_it_reports_the_last_lines_of_a_server_that_ends_early(home: HiveHome) -> None:
    child = Child(home, "broken", ["sh", "-c", "echo no such option --colour; exit 3"])
    child.start()

    with pytest.raises(StackError, match=r"(?s)broken ended with status 3:.*no such option --colour"):
        child.wait_until_ready(lambda: False)


def test_it_names_a_program_that_is_missing(home: HiveHome) -> None:
    with pytest.raises(StackError, match=r"ghost: /nowhere/ghost can't be run \(No such file"):
        Child(home, "ghost", ["/nowhere/ghost"]).start()


def test_it_stops_what_the_server_itself_started(home: HiveHome) -> None:
    child = Child(home, "parent", ["sh", "-c", "trap '' TERM; sleep 100 & echo $!; wait; wait"])
    child.start()
    child.wait_until_ready(lambda: child.log.read_text() != "")

    child.stop(timeout_s=0.2)

    assert gone(int(child.log.read_text()))
    assert not child.running


def test_it_ends_with_a_parent_that_is_killed_even_when_a_short_lived_thread_started_it(
    home: HiveHome,
) -> None:
    program = f"""
import threading, time
from hive_portal.stack import HiveHome
from hive_portal.stack.process import Child
child = Child(HiveHome("{home.path}"), "sleeper", ["sleep", "100"])
thread = threading.Thread(target=child.start)
thread.start(); thread.join()
time.sleep(0.3)
print(child.pid, child.running, flush=True)
time.sleep(100)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, running = parent.stdout.readline().split()
    assert running == "True"

    parent.kill()
    parent.wait()

    assert gone(int(pid))


def test_it_ends_the_orphan_of_a_killed_run_before_it_starts_again(home: HiveHome) -> None:
    orphan = subprocess.Popen(["sleep", "100"], start_new_session=True)
    created = psutil.Process(orphan.pid).create_time()
    (home.folder("run") / "sleeper.pid").write_text(f"{orphan.pid} {created}")
    # Somebody has to reap it, as init does for a real orphan.
    threading.Thread(target=orphan.wait).start()
    child = Child(home, "sleeper", ["sleep", "100"])

    child.start()

    assert gone(orphan.pid)
    assert child.running
    child.stop()


def test_it_leaves_a_stranger_alone_that_has_the_pid_by_now(home: HiveHome) -> None:
    stranger = subprocess.Popen(["sleep", "100"])
    (home.folder("run") / "sleeper.pid").write_text(f"{stranger.pid} 12345.0")
    child = Child(home, "sleeper", ["sleep", "100"])

    child.start()

    assert stranger.poll() is None
    child.stop()
    stranger.kill()
    stranger.wait()


def test_a_supervisor_starts_a_killed_child_again_and_says_so(home: HiveHome) -> None:
    lines: list[str] = []
    child = Child(home, "sleeper", ["sleep", "100"])
    child.start()
    supervisor = Supervisor([child], lines.append)
    supervisor.start()
    first = child.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)
    give_up_at = time.monotonic() + 10
    while not (child.running and child.pid != first) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    supervisor.stop()

    assert child.running and child.pid != first
    assert lines == [f"sleeper ended with status -9: started again in 0.5 s (see {Path(child.log)})"]
    child.stop()
