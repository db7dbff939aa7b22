"""Where the login is kept: a file of the user's own, readable by nobody else. The environment wins."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import click

DEFAULT_URL = "http://localhost:8000"


@dataclass(frozen=True)
class Login:
    url: str
    token: str


def config_file() -> Path:
    """`~/.config/golem-hive/login.json` on Linux, the like elsewhere."""
    return Path(click.get_app_dir("golem-hive")) / "login.json"


def load_login() -> Login:
    """HIVE_URL and HIVE_TOKEN, each for itself, before what `hive login` saved. The token may be empty."""
    saved = _saved()
    url = os.environ.get("HIVE_URL") or saved.get("url") or DEFAULT_URL
    # A saved token is for the Hive it was saved with: it must not be sent to another one.
    kept = saved.get("token", "") if url.rstrip("/") == saved.get("url", "").rstrip("/") else ""
    return Login(url=url, token=os.environ.get("HIVE_TOKEN") or kept)


def save_login(login: Login) -> Path:
    """Replace the file in one step, mode 0600 from its first byte."""
    target = config_file()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"url": login.url, "token": login.token}, file)
    draft.replace(target)
    return target


def _saved() -> dict[str, str]:
    try:
        saved = json.loads(config_file().read_text())
    except (OSError, ValueError):
        return {}
    return saved if isinstance(saved, dict) else {}
