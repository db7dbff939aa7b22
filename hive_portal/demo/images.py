"""The demo's image, made of what this machine has: nothing is pulled from anywhere.

The same program twice: as a *native image* (a folder in a Bee owner's catalogue, for the process runtime) and
as a container image (this machine's Python and a few tools as a root file system, for the docker runtime).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker

REFERENCE = "hive/hello:1"
PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "hello" / "hello.py"
TOOLS = ("sh", "ls", "cat", "env", "ps", "id", "uname", "hostname", "sleep", "date", "df", "head", "grep")
_LEFT_OUT = {
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "lib2to3",
    "site-packages",
    "__pycache__",
}


def put_in_catalogue(catalogue: Path) -> Path:
    """Write the native image below a Bee's catalogue folder; what is there already is renewed."""
    name, tag = REFERENCE.split(":")
    folder = catalogue / name / tag
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROGRAM, folder / PROGRAM.name)
    description = {"entrypoint": [_python(), "-u", str(folder / PROGRAM.name)], "env": {}}
    (folder / "image.json").write_text(json.dumps(description, indent=2) + "\n")
    return folder


def import_into_engine(engine: docker.DockerClient) -> None:
    """Import the container image unless the engine has it. Takes a few seconds and about 60 MB."""
    repository, tag = REFERENCE.split(":")
    if any(REFERENCE in image.tags for image in engine.images.list(repository)):
        return
    changes = [
        "ENV PYTHONHOME=/python",
        "WORKDIR /app",
        f'CMD ["/python/bin/python3","-u","/app/{PROGRAM.name}"]',
    ]
    engine.api.import_image_from_data(_root_file_system(), repository=repository, tag=tag, changes=changes)


def _root_file_system() -> bytes:
    buffer = io.BytesIO()
    packed: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for source, target in _files():
            if target not in packed:
                packed.add(target)
                tar.add(source, arcname=target.lstrip("/"), recursive=False)
        for folder in ("tmp", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
    return buffer.getvalue()


def _files() -> Iterator[tuple[Path, str]]:
    """(file on this machine, place in the image)."""
    python = Path(_python())
    binaries = [
        python,
        *(Path(found) for tool in TOOLS if (found := shutil.which(tool, path="/usr/bin:/bin"))),
    ]
    yield python.resolve(), "/python/bin/python3"
    yield PROGRAM, f"/app/{PROGRAM.name}"
    for tool in binaries[1:]:
        yield tool.resolve(), f"/bin/{tool.name}"
    standard_library = Path(sysconfig.get_path("stdlib"))
    inside = f"/python/lib/{standard_library.name}"
    for folder, folders, names in os.walk(standard_library):
        folders[:] = [name for name in folders if name not in _LEFT_OUT and not name.startswith("config-")]
        for name in names:
            path = Path(folder, name)
            if name.startswith("_tkinter"):
                continue  # would bring in all of X11
            yield path, f"{inside}/{path.relative_to(standard_library)}"
            if path.suffix == ".so":
                binaries.append(path)
    for library in sorted(_libraries(binaries)):
        yield library.resolve(), str(library)


def _libraries(binaries: list[Path]) -> set[Path]:
    """The shared libraries of these binaries, the loader included, by the paths they are looked up at."""
    said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    words = (word for line in said.splitlines() for word in line.split() if not line.endswith(":"))
    return {Path(word) for word in words if word.startswith("/")}


def _python() -> str:
    """The interpreter itself, not the link to it in a virtual environment."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}"))
