"""Native images: what a Bee's owner has put into `<home>/images/<name>/<tag>/`.

The Queen can only name one: `hive/hello:1` is the folder `hive/hello/1`. Its `image.json`, for the process
runtime (others describe theirs in words of their own, see `find`):

    {
      "entrypoint": ["./hello", "--verbose"],
      "env": {"LANG": "C.UTF-8"},
      "takes_command": false,
      "reads": ["/opt/hello"]
    }

A word of the entrypoint that begins with `./` is a file of the image's folder. `takes_command` lets the
renting team's `command` be appended as arguments; without it a workload that has one is refused. Behind
walls a replica sees the system's folders (`/usr`, ...), its image, and what the entrypoint names; `reads` is
for what else it needs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from agent.protocol import Workload
from agent.rules.digests import of_folder
from agent.runtimes.base import ImageMissing, RuntimeFault
from agent.runtimes.guarded import visible

_REFERENCE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*)(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]*))?"
)
# What would let a variable choose which program runs, or what is loaded into it or into its walls.
_RESERVED = re.compile(
    r"LD_.*|PATH|PORT|HIVE_.*|PYTHON.*|NODE_OPTIONS|BASH_ENV|BASH_FUNC_.*|ENV|IFS"
    r"|GLIBC_.*|GCONV_PATH|GETCONF_DIR|LOCPATH|NLSPATH|MALLOC_.*"
    r"|NODE_PATH|SHELLOPTS|BASHOPTS|PS4|ZDOTDIR|PERL5.*|PERLLIB|RUBYOPT|RUBYLIB|LUA_(INIT|C?PATH).*|TCLLIBPATH"
    r"|PHPRC|PHP_INI_SCAN_DIR|OPENSSL_(CONF|ENGINES|MODULES)|_?JAVA_(TOOL_)?OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH"
    r"|DOTNET_(STARTUP_HOOKS|ADDITIONAL_DEPS)|CORECLR_.*|GUILE_.*|R_(PROFILE|ENVIRON).*"
)


class NativeImage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entrypoint: Annotated[list[str], msgspec.Meta(min_length=1)]
    env: dict[str, str] = {}
    takes_command: bool = False
    reads: list[str] = []
    """Files and folders beyond the system's own that it must see, by absolute paths."""


T = TypeVar("T")


def folder_of(catalogue: Path, reference: str) -> Path:
    """Raises ImageMissing for a name that is none: it never leads out of the catalogue."""
    match = _REFERENCE.fullmatch(reference)
    if not match:
        raise ImageMissing(f"{reference!r} is not the name of a native image (name[:tag])")
    return catalogue.joinpath(*match["name"].split("/"), match["tag"] or "latest")


def find(catalogue: Path, reference: str, kind: type[T]) -> tuple[Path, T]:
    """(folder, its image.json as `kind`). Raises ImageMissing with a reason for the team that rents."""
    folder = folder_of(catalogue, reference)
    try:
        return folder, msgspec.json.decode((folder / "image.json").read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        raise ImageMissing(f"image {reference} is not in this bee's catalogue") from None
    except (msgspec.DecodeError, OSError) as error:
        raise ImageMissing(f"image {reference}: its image.json can't be used ({error})") from None


def digests(catalogue: Path, reference: str) -> set[str]:
    """Of an image as it is now. Raises ImageMissing."""
    try:
        return set(of_folder(folder_of(catalogue, reference)))
    except FileNotFoundError:
        raise ImageMissing(f"image {reference} is not in this bee's catalogue") from None
    except OSError as error:
        raise ImageMissing(f"image {reference} can't be read ({error})") from None


def command_line(folder: Path, image: NativeImage, workload: Workload) -> list[str]:
    """Raises RuntimeFault when the workload asks for another program than the owner's."""
    if workload.entrypoint:
        raise RuntimeFault(f"image {workload.image} is native: its entrypoint can't be replaced")
    if workload.command and not image.takes_command:
        raise RuntimeFault(f"image {workload.image} is native and takes no command")
    own = [str(folder / word[2:]) if word.startswith("./") else word for word in image.entrypoint]
    return own + list(workload.command or [])


def environment(own: dict[str, str], workload: Workload) -> dict[str, str]:
    """The image's own variables and the team's. Raises RuntimeFault for one that is reserved."""
    if reserved := sorted(name for name in workload.environment if _RESERVED.fullmatch(name)):
        raise RuntimeFault(f"environment: {', '.join(reserved)} can't be set for a native image")
    return {**workload.environment, **own}


def reads(folder: Path, image: NativeImage) -> list[Path]:
    """What the image needs to see, by the owner's words alone."""
    first, *others = [folder / word[2:] if word.startswith("./") else Path(word) for word in image.entrypoint]
    files = [path for path in others if path.is_absolute() and path.is_file()]
    program = visible.of_program(first) if first.is_absolute() else []
    return [folder, *program, *files, *(Path(each) for each in image.reads if Path(each).exists())]
