"""The walls of a native replica, by bubblewrap: a view of the machine with nothing in it but what it needs.

Inside there are: the system's own folders, read-only; what the image needs, read-only at its own path; the
replica's files at theirs, and a /tmp on the same disk; /proc of its own processes alone; a few devices; a
list of two users. Namespaces for processes, mounts, IPC, names and control groups. The network is the
machine's: an endpoint has to be reached. See docs/decisions/0031-bubblewrap-for-native-replicas.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from agent.runtimes.guarded import work_folder

_TOP = Path("/")
_SYSTEM = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")))
_ETC = (
    "alternatives",
    "ca-certificates",
    "hosts",
    "ld.so.cache",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)
_NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
_SHARED_MEMORY_BYTES = 64 << 20
_HOST_NAME = 64
"""Bytes that sethostname(2) takes."""
_NOBODY = 65534
_SELF_TEST_S = 10


def walls(
    *,
    folder: Path,
    reads: Sequence[Path],
    uid: int | None,
    devices: Sequence[str] = (),
    groups: Sequence[int] = (),
    hostname: str = "replica",
) -> list[str]:
    """The words before a command that put it behind walls.

    `folder` is the replica's, with `files`, `tmp` and `etc` in it (see `lay_out`). With a `uid` it takes root
    to call them, and the command becomes that user; without, it stays whoever calls, without a capability.
    """
    files = folder / "files"
    return [
        str(shutil.which("bwrap")),
        *_NAMESPACES,
        *(() if os.geteuid() == 0 else ("--unshare-user", "--disable-userns")),
        *("--die-with-parent", "--new-session", "--hostname", hostname[:_HOST_NAME]),
        *_bind("--ro-bind-try", _SYSTEM),
        *_bind("--ro-bind-try", (Path("/etc", name) for name in _ETC)),
        *("--ro-bind", str(folder / "etc/passwd"), "/etc/passwd"),
        *("--ro-bind", str(folder / "etc/group"), "/etc/group"),
        *("--proc", "/proc", "--dev", "/dev"),
        *_bind("--dev-bind", map(Path, devices)),
        *(
            "--remount-ro",
            "/dev",
            "--perms",
            "1777",
            "--size",
            str(_SHARED_MEMORY_BYTES),
            "--tmpfs",
            "/dev/shm",
        ),
        # Before the rest: what is needed may itself lie below the machine's /tmp.
        *("--bind", str(folder / "tmp"), "/tmp"),
        *_bind("--ro-bind", beyond_the_system(reads)),
        *_bind("--bind", [files]),
        *("--remount-ro", "/", "--chdir", str(files)),
        *_becoming(uid, groups),
    ]


def lay_out(folder: Path, uid: int | None) -> None:
    """What the walls need in a replica's folder, besides its files."""
    owner = os.getuid() if uid is None else uid
    for name in ("tmp", "etc"):
        (folder / name).mkdir()
        (folder / name).chmod(0o700)
    users = {
        "passwd": f"replica:x:{owner}:{owner}::{folder / 'files'}:/bin/sh\nnobody:x:65534:65534::/:\n",
        "group": f"replica:x:{owner}:\nnogroup:x:65534:\n",
    }
    for name, text in users.items():
        (folder / "etc" / name).write_text(text)
        (folder / "etc" / name).chmod(0o644)
    work_folder.give(folder / "tmp", uid)


@cache
def problem() -> str:
    """Why replicas on this machine can't have walls, by trying them once; empty when they can."""
    needed = ("bwrap", "setpriv") if os.geteuid() == 0 else ("bwrap",)
    if lacking := [name for name in needed if not shutil.which(name)]:
        return f"{' and '.join(lacking)} is not installed"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "files").mkdir(mode=0o700)
        uid = _NOBODY if os.geteuid() == 0 else None
        lay_out(folder, uid)
        work_folder.give(folder / "files", uid)
        return _failure_of([*walls(folder=folder, reads=[], uid=uid), "/bin/sh", "-c", "exec true"])


def _failure_of(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SELF_TEST_S, env={"PATH": os.defpath})
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bwrap does not work here: {error}"
    said = done.stderr.decode(errors="replace").strip()
    return "" if done.returncode == 0 else f"bwrap does not work here: {said or done.returncode}"


def beyond_the_system(paths: Iterable[Path]) -> list[Path]:
    """Those that are not visible anyway, each once, parents first."""
    seen = [path for path in dict.fromkeys(paths) if not any(path.is_relative_to(each) for each in _SYSTEM)]
    return sorted(path for path in seen if not any(other in path.parents for other in seen))


def _becoming(uid: int | None, groups: Sequence[int]) -> list[str]:
    if uid is None:
        return ["--cap-drop", "ALL", "--"] if os.geteuid() == 0 else ["--"]
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    members = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return [
        *("--cap-drop", "ALL"),
        *(word for name in kept for word in ("--cap-add", name)),
        *("--", str(shutil.which("setpriv")), f"--reuid={uid}", f"--regid={uid}", *members),
        *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
    ]


def _bind(option: str, paths: Iterable[Path]) -> list[str]:
    """At their own paths. The folders above are named, since those it makes unasked are closed to others."""
    words = []
    for path in paths:
        above = ("--dir", str(path.parent)) if path.parent != _TOP else ()
        words += [*above, option, str(path), str(path)]
    return words
