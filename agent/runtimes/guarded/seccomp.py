"""Which system calls a native replica may not make, as a program for the kernel's filter (seccomp(2), BPF).

Without capabilities most of the kernel is closed anyway. What is closed here besides: namespaces of its own,
inside which it would have capabilities again; key rings, which all of a user share; and interfaces that no
service needs and in which weaknesses were found again and again. Those that programs try and can do without
don't exist (ENOSYS), so that the program takes its other way. Calls of another architecture than the
machine's (32-bit programs) don't exist either: their numbers mean other calls.

Standard library only: the guard uses it. Numbers are those of the kernel's syscall tables.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # audit.h
_MAKE_NAMESPACES = {"x86_64": (56, 272), "aarch64": (220, 97)}
"""clone and unshare: refused when they are asked for a user namespace, by their first argument."""
_REFUSED = {
    "setns": {"x86_64": 308, "aarch64": 268},
    "add_key": {"x86_64": 248, "aarch64": 217},
    "request_key": {"x86_64": 249, "aarch64": 218},
    "keyctl": {"x86_64": 250, "aarch64": 219},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "perf_event_open": {"x86_64": 298, "aarch64": 241},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
    "open_by_handle_at": {"x86_64": 304, "aarch64": 265},
}
_ABSENT = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "clone3": 435}
"""The same everywhere. The filter can't see what clone3 is asked for; libraries go on with clone."""
_X32_BIT = 0x4000_0000
_CLONE_NEWUSER = 0x1000_0000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # struct seccomp_data
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_AVAILABLE = "/proc/sys/kernel/seccomp/actions_avail"


def program(machine: str) -> bytes:
    """Empty for a machine whose numbers aren't known here."""
    if machine not in _ARCHITECTURES:
        return b""
    steps = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), _refuse(errno.ENOSYS)]
    steps += [(_LOAD, 0, 0, _NUMBER_AT), (_AT_LEAST, 0, 1, _X32_BIT), _refuse(errno.ENOSYS)]
    for number in _ABSENT.values():
        steps += [(_EQUAL, 0, 1, number), _refuse(errno.ENOSYS)]
    for number in _MAKE_NAMESPACES[machine]:
        steps += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT)]
        steps += [(_ANY_BIT, 0, 1, _CLONE_NEWUSER), _refuse(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    for numbers in _REFUSED.values():
        steps += [(_EQUAL, 0, 1, numbers[machine]), _refuse(errno.EPERM)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def of_this_machine() -> bytes:
    return program(os.uname().machine) if os.path.exists(_AVAILABLE) else b""


def apply(filter: bytes) -> None:
    """To the process that calls this, and whatever it becomes or starts. Raises OSError."""
    if not filter:
        return
    code = ctypes.create_string_buffer(filter, len(filter))
    given = struct.pack("HxxxxxxP", len(filter) // 8, ctypes.addressof(code))  # struct sock_fprog
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(given), 0, 0):
        raise OSError(ctypes.get_errno(), "its system calls can't be filtered")


def _refuse(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | number)
