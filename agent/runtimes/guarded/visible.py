"""What a program needs to be readable behind walls, as far as the program itself tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def of_program(program: Path) -> list[Path]:
    """The file, by every name on the way to it; for an interpreter of Python its library, too.

    Folders of a program are not guessed at: `~/bin/server` must not show all of a home. What else it needs
    the owner names (`reads` in image.json).
    """
    return list(dict.fromkeys(path for name in _names(program) for path in (_python(name) or [name])))


def _names(program: Path) -> Iterator[Path]:
    """Links to links are common: a virtual environment's python, a version manager's, the file."""
    name = program
    for _ in range(40):  # as many as the kernel follows
        if not name.exists():
            return
        yield name
        if not name.is_symlink():
            break
        name = name.parent / name.readlink()
    if name.resolve() != name:
        yield name.resolve()


def _python(program: Path) -> list[Path]:
    """Of a virtual environment or an installation: its programs and its library, and nothing beside them."""
    prefix = program.parent.parent
    if not program.name.startswith("python") or program.parent.name != "bin":
        return []
    is_environment = (prefix / "pyvenv.cfg").is_file()
    if not is_environment and not any(prefix.glob("lib/python3*/os.py")):
        return []
    parts = [prefix / name for name in ("pyvenv.cfg", "bin", "lib", "lib64")]
    return [part for part in parts if part.exists()]
