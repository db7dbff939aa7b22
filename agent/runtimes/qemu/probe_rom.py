"""A firmware of a few instructions that shows whether a guest runs at the speed of a processor.

KVM being there says little: inside some virtual machines /dev/kvm opens, and runs firmware, but takes an
ordinary kernel's instructions one by one, slower than QEMU's own emulation by far. So the probe counts down
from fifty million in protected mode: some 30 ms on a processor, 0.2 s emulated, 15 s on such a KVM.
Then it writes 0x10 to QEMU's isa-debug-exit device, which ends QEMU with status 0x10 * 2 + 1 = 33.
"""

from __future__ import annotations

import struct

_SIZE = 64 << 10
_TOP = 0xFFFF0000
"""Where the firmware lies; a processor begins 16 bytes below its end, in real mode."""
_REAL, _PROTECTED, _TABLE, _POINTER = 0xFF00, 0xFF20, 0xFF40, 0xFF50
_ROUNDS = 50_000_000


def probe_rom() -> bytes:
    flat_code = 0x00CF9B000000FFFF
    """Descriptor of a 32-bit code segment over all memory."""
    rom = bytearray(b"\xf4" * _SIZE)  # hlt
    for place, content in (
        (0xFFF0, b"\xe9" + struct.pack("<h", _REAL - 0xFFF3)),  # jmp _REAL
        (_REAL, _real_mode()),
        (_PROTECTED, _protected_mode()),
        (_TABLE, struct.pack("<QQ", 0, flat_code)),
        (_POINTER, struct.pack("<HI", 15, _TOP + _TABLE)),
    ):
        rom[place : place + len(content)] = content
    return bytes(rom)


def _real_mode() -> bytes:
    return b"".join(
        (
            b"\xfa",  # cli
            b"\x2e\x66\x0f\x01\x16" + struct.pack("<H", _POINTER),  # lgdt cs:[_POINTER]
            b"\x0f\x20\xc0\x0c\x01\x0f\x22\xc0",  # cr0 |= 1, by eax
            b"\x66\xea" + struct.pack("<IH", _TOP + _PROTECTED, 8),  # jmp 8:_PROTECTED
        )
    )


def _protected_mode() -> bytes:
    return b"".join(
        (
            b"\xb9" + struct.pack("<I", _ROUNDS),  # mov ecx, _ROUNDS
            b"\x49\x75\xfd",  # dec ecx; jnz back to it
            b"\xb0\x10\xe6\xf4",  # mov al, 0x10; out 0xf4, al
            b"\xf4\xeb\xfd",  # hlt, for ever
        )
    )
