"""A database with all tables, made once for a set of migrations and copied for every process that tests.

Migrating takes half a minute; a copy takes a moment. So the first process that asks for a copy migrates a template, a file in the
temporary folder or a database on the server, and all others, of this run, of later runs and of other checkouts, copy it.

The template's name is a digest of all migrations and of the pinned packages: whoever changes one gets a template of their own.
Who copies has still to call `migrate`, which does nothing, or what the digest does not see (an app added in the settings).
Processes take turns by a lock. Of the templates of older migrations the one that was used last stays, the others are dropped.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
DATABASE_FILE = "pomona.sqlite3"
PREFIX = "pomona_template_"
TEMPLATES_KEPT = 2
# Any number: what other programs lock on the server has another one.
SERVER_LOCK = 7_303_014


def copy_file(target: Path) -> None:
    """Make target an SQLite database with all tables; one that is there is replaced."""
    with _locked_folder() as folder:
        template = folder / f"{PREFIX}{_digest()}-{sqlite3.sqlite_version}.sqlite3"
        if not template.exists():
            _migrate_file(template)
        template.touch()
        for old in sorted(folder.glob(f"{PREFIX}*"), key=_changed_at, reverse=True)[TEMPLATES_KEPT:]:
            old.unlink()
        for leftover in ("", "-wal", "-shm"):
            Path(f"{target}{leftover}").unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template, target)


def copy_on_server(url: str, name: str) -> None:
    """Make a PostgreSQL database of that name with all tables; one that is there is replaced.

    url: of any database on the server, of a role that may create databases.
    """
    with _locked_server(url) as connection:
        template = f"{PREFIX}{_digest()}"
        known = _templates(connection)
        if template not in known:
            _migrate_on_server(connection, url, template)
        _note_use(connection, template)
        for old in [found for found in known if found != template][TEMPLATES_KEPT - 1 :]:
            _drop(connection, old)
        _drop(connection, name)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))


def drop_on_server(url: str, name: str) -> None:
    with psycopg.connect(_maintenance_url(url), autocommit=True) as connection:
        _drop(connection, name)


@lru_cache(maxsize=1)
def _digest() -> str:
    """Of everything that decides what tables there are: own migrations, and the versions of the packages that bring some."""
    digest = hashlib.sha256(django.get_version().encode())
    migrations = [path for pattern in ("*/migrations/*.py", "*/*/migrations/*.py") for path in ROOT.glob(pattern)]
    for path in [ROOT / "requirements.lock", *sorted(migrations)]:
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


# --- SQLite ----------------------------------------------------------------------------------------------------------


@contextmanager
def _locked_folder() -> Iterator[Path]:
    """Where the templates lie, for this user alone: nobody else can put a file there that tests would run on."""
    folder = Path(tempfile.gettempdir()) / f"pomona-templates-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _migrate_file(template: Path) -> None:
    """In a folder of its own and moved when it is whole, so that one who is interrupted leaves no half a template."""
    with tempfile.TemporaryDirectory(prefix="pomona-template-") as folder:
        _migrate({"DATA_DIR": folder})
        made = Path(folder) / DATABASE_FILE
        with closing(sqlite3.connect(made)) as connection:
            # All of it in the one file that is copied.
            connection.execute("PRAGMA journal_mode=DELETE")
        moving = template.with_name(f"making-{template.name}")
        shutil.copyfile(made, moving)
        moving.replace(template)


def _changed_at(path: Path) -> float:
    return path.stat().st_mtime


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


@contextmanager
def _locked_server(url: str) -> Iterator[psycopg.Connection]:
    """A lock counts within one database, so all take it in the one that every server has."""
    with psycopg.connect(_maintenance_url(url), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [SERVER_LOCK])
        yield connection


def _templates(connection: psycopg.Connection) -> list[str]:
    """Their names, the one used last first. The time of use is the database's comment."""
    query = """SELECT datname FROM pg_database WHERE starts_with(datname, %s)
               ORDER BY shobj_description(oid, 'pg_database') DESC NULLS LAST"""
    return [name for (name,) in connection.execute(query, [PREFIX])]


def _migrate_on_server(connection: psycopg.Connection, url: str, template: str) -> None:
    """Under another name and renamed when it is whole. Then nobody can connect: one who did could hinder copies."""
    making = f"making_{template}"
    _drop(connection, making)
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(making)))
    with tempfile.TemporaryDirectory(prefix="pomona-template-") as folder:
        _migrate({"DATA_DIR": folder, "DATABASE_URL": urlsplit(url)._replace(path=f"/{making}").geturl()})
    rename = "ALTER DATABASE {} RENAME TO {}"
    connection.execute(sql.SQL(rename).format(sql.Identifier(making), sql.Identifier(template)))
    connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(template)))


def _note_use(connection: psycopg.Connection, template: str) -> None:
    comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
    used_at = f"Pomona's tests, last used {datetime.now(UTC).isoformat()}"
    connection.execute(comment.format(sql.Identifier(template), sql.Literal(used_at)))


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _maintenance_url(url: str) -> str:
    return urlsplit(url)._replace(path="/postgres").geturl()


def _migrate(settings: dict[str, str]) -> None:
    """In a process of its own, with the product's settings: what the caller has loaded and connected to plays no part."""
    outside = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
    environment = {**outside, "DJANGO_SETTINGS_MODULE": "mdm.settings", **settings}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)
