"""The Bee as a service of systemd: the unit as text, and the commands that put it in and take it out.

Source: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.resource-control(5).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from agent.errors import AgentError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}\Z")
SUBGROUPS_SINCE = 254
"""The first systemd that has `DelegateSubgroup=`."""


@dataclass(frozen=True, slots=True)
class Service:
    """`name` tells several Bees of one machine apart; `user` is for the login's own services."""

    home: Path
    name: str = ""
    user: bool = False

    def __post_init__(self) -> None:
        if self.name and not _NAME.match(self.name):
            raise AgentError(f"{self.name!r} is no name for a service: letters, digits, _ . - only")

    @property
    def unit(self) -> str:
        return f"hive-bee-{self.name}.service" if self.name else "hive-bee.service"

    @property
    def path(self) -> Path:
        if not self.user:
            return Path("/etc/systemd/system") / self.unit
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return config / "systemd" / "user" / self.unit

    def text(self, systemd: int) -> str:
        """`systemd`: its version."""
        command = [sys.executable, "-P", "-m", "agent", "run", "--home", str(self.home)]
        return _UNIT.format(
            home=str(self.home).replace("%", "%%"),  # what is one path to the end of its line has no quotes
            command=" ".join(map(quoted, command)),
            delegate="Delegate=yes\nDelegateSubgroup=agent" if systemd >= SUBGROUPS_SINCE else "Delegate=yes",
            walls=_USER_WALLS if self.user else _USER_WALLS + _SYSTEM_WALLS,
            after="" if self.user else _AFTER,
            target="default.target" if self.user else "multi-user.target",
        )

    def install(self) -> None:
        """Write the unit, and have it started now and at each boot. Raises AgentError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.text(systemd_version()))
        except OSError as error:
            hint = "" if self.user else ": as root, or with --user"
            raise AgentError(f"{self.path} can't be written ({error.strerror}){hint}") from None
        self._systemctl("enable", self.unit)
        if is_booted():
            self._systemctl("daemon-reload")
            self._systemctl("restart", self.unit)

    def uninstall(self) -> None:
        """What runs here stays until its leases run out, as after any stop. Raises AgentError."""
        if not self.path.exists():
            raise AgentError(f"{self.path} does not exist: nothing is installed under this name")
        if is_booted():
            self._systemctl("stop", self.unit)
        self._systemctl("disable", self.unit)
        self.path.unlink()
        if is_booted():
            self._systemctl("daemon-reload")

    def _systemctl(self, *words: str) -> None:
        run_or_explain(["systemctl", *(["--user"] if self.user else []), *words])


def is_booted() -> bool:
    """Whether systemd manages this machine (sd_booted(3)); where it does not, units are for the next boot."""
    return Path("/run/systemd/system").is_dir()


def systemd_version() -> int:
    said = run_or_explain(["systemctl", "--version"]).split()
    return int(said[1]) if len(said) > 1 and said[1].isdigit() else 0


def run_or_explain(command: list[str]) -> str:
    """What it printed. Raises AgentError with what it complained of."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise AgentError("there is no systemd here: see deploy/bee for a container instead") from None
    if done.returncode:
        raise AgentError(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def quoted(word: str) -> str:
    """As systemd takes it literally: no specifier, no variable, one word."""
    safe = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{safe}"' if re.search(r"[\s'\"\\;]", word) else safe


_AFTER = "After=network-online.target docker.service\nWants=network-online.target\n"

_USER_WALLS = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
"""
# None that mounts something over /proc or /sys: unprivileged sandboxes could not mount their own any more.
# Nor ProtectHostname=: it forbids the call with which bubblewrap names a replica's host.
_SYSTEM_WALLS = """\
ProtectSystem=full
"""

_UNIT = """\
# Written by `hive agent install`. The bee updates itself never: what runs here is what you installed.
[Unit]
Description=Golem Hive bee in {home}
{after}StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
# HIVE_BEE_PASSWORD=... may stand here, mode 0600, if the key's password lies in no file.
EnvironmentFile=-{home}/service.env
Restart=always
RestartSec=5
# Refused for good (banned, replaced by another agent with its key) or called wrongly: you must act first.
RestartPreventExitStatus=2 3
# What the bee runs outlives its agent and is found again by the next; each ends with its lease at the latest.
KillMode=process
TimeoutStopSec=45
{delegate}
{walls}
[Install]
WantedBy={target}
"""
