"""The examples at the end of each `--help`."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """An epilog; the \\b keeps click from wrapping it."""
    return "\b\n" + "\n".join(
        ("Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines))
    )
