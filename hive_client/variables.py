"""Values for `${NAME}` in a Compose file: `.env` files and `--env`, the later standing before the earlier.

Source of the format: https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/.
Unlike Compose, the shell's own environment is never sent as a whole: `--env NAME` sends what is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import click

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = re.compile(
    r"""(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<bare>(?!['"])(?:(?!\s\#).)*))
    \s*(?:\#.*)?""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_variables(file: str, *, env: Iterable[str], env_files: Iterable[str]) -> dict[str, str]:
    """By name. Without `env_files` the `.env` beside the Compose file is read, if there is one.

    Raises click.UsageError that names the option, or the file and its line.
    """
    given = [Path(each) for each in env_files]
    beside = Path(file).with_name(".env") if file != "-" else Path(".env")
    variables: dict[str, str] = {}
    for path in given or ([beside] if beside.is_file() else []):
        variables |= parse_env(_text(path), file_name=str(path))
    return variables | dict(map(_option, env))


def parse_env(text: str, *, file_name: str) -> dict[str, str]:
    """`NAME=value` lines, `#` comments; a value may stand in quotes. Raises click.UsageError."""
    variables = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise click.UsageError(f"{file_name}, line {number}: expected NAME=value")
        variables[match["name"]] = _value(match)
    return variables


def _value(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match["double"])
    return match["single"] if match["single"] is not None else (match["bare"] or "").strip()


def _option(text: str) -> tuple[str, str]:
    name, is_given, value = text.partition("=")
    if not NAME.fullmatch(name):
        raise click.UsageError(f"--env {text}: expected NAME=VALUE, or NAME to send your own environment's")
    if not is_given and name not in os.environ:
        raise click.UsageError(f"--env {name}: your environment has no {name}; write --env {name}=VALUE")
    return name, value if is_given else os.environ[name]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(f"{path} is no text in UTF-8") from None
    except OSError as error:
        raise click.UsageError(f"{path} can't be read: {error.strerror}") from None
