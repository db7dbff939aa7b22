"""The smallest program that Linux runs, for a self-test on an engine that may have no image at all.

An ELF file of one header, one segment and a handful of instructions: it exits with a status and does nothing
else. Source of the layout: System V ABI, chapter 4; of the call: the kernel's `exit` on each architecture.
"""

from __future__ import annotations

import io
import platform
import struct
import tarfile

_ADDRESS = 0x400000
_HEADERS_BYTES = 64 + 56
_MACHINES = {
    # mov edi, STATUS; mov eax, 60; syscall
    "x86_64": (62, lambda status: b"\xbf" + struct.pack("<I", status) + b"\xb8\x3c\x00\x00\x00\x0f\x05"),
    # mov x0, STATUS; mov x8, 93; svc 0
    "aarch64": (183, lambda status: struct.pack("<III", 0xD2800000 | status << 5, 0xD2800BA8, 0xD4000001)),
}


def program(status: int) -> bytes | None:
    """It exits with `status`; None on an architecture that is not known here."""
    machine, code_for = _MACHINES.get(platform.machine(), (0, None))
    if code_for is None:
        return None
    code, length = code_for(status), _HEADERS_BYTES + len(code_for(status))
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(b"\x7fELF\x02\x01\x01", 2, machine, 1, _ADDRESS + _HEADERS_BYTES, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, length, length, 0x1000)
    return header + segment + code


def root_file_system(content: bytes) -> bytes:
    """A tar file with the program as `/program`, for an engine's import."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        entry = tarfile.TarInfo("program")
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return whole.getvalue()
