"""The database of a study: a file of SQLite by default, a journal or a server by URL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from mien.errors import RecipeError, TrainingError

FORMS = "sqlite:///FILE, journal:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
UNANSWERED = (SQLAlchemyError, OptunaError, sqlite3.Error, OSError)
"""What a database raises that does not answer."""

_WAIT = 60.0  # seconds for another writer of the same SQLite file
_TRIES = 20  # while two processes make the tables of a new file


def opened(url: str) -> BaseStorage:
    """A connection.

    Args:
        url: As ``FORMS`` says; a file's path follows three strokes, and is absolute where a fourth follows.

    Raises:
        Exception: Many; use it within ``opening``.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in ("sqlite", "journal"):
        return get_storage(RDBStorage(url))
    path = Path(rest.removeprefix("/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    if scheme == "journal":
        return JournalStorage(JournalFileBackend(str(path)))
    # A URL cannot name every path, so the connection is made here.
    connect = partial(sqlite3.connect, path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    for left in reversed(range(_TRIES)):
        try:
            storage = RDBStorage("sqlite:///study.db", {"creator": connect})
            break
        except SQLAlchemyError:  # another process makes the same tables at this moment
            if not left:
                raise
            time.sleep(0.25)
    # SQLite has no locks of rows: two workers that read a trial as waiting would both take it, were the file not
    # locked from the beginning of each transaction.
    event.listen(storage.engine, "begin", _lock_at_once)
    return get_storage(storage)


def _lock_at_once(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def opening(url: str) -> Iterator[None]:
    """Say in a line why a database cannot be opened.

    Raises:
        RecipeError: The URL is of no known form, its package is not installed, or nothing answers there.
    """
    try:
        yield
    except ImportError as error:
        raise RecipeError(
            f"--storage {hidden(url)} needs a package that is not installed ({error.__cause__ or error})",
            FORMS,
            "For PostgreSQL: pip install 'psycopg[binary]'",
        ) from error
    except (*UNANSWERED, ValueError) as error:
        raise RecipeError(f"--storage {hidden(url)} cannot be opened: {_cause(error)}", FORMS) from error


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Say in a line that a database answers no more.

    Raises:
        TrainingError: It does not.
    """
    try:
        yield
    except (SQLAlchemyError, OptunaError, sqlite3.Error) as error:
        raise TrainingError(
            f"the study in {hidden(url)} does not answer: {_cause(error)}",
            remedy="What is finished is kept; go on with the same command.",
        ) from error


def hidden(url: str) -> str:
    """A URL without its password."""
    head, at, tail = url.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{tail}" if at else url


def _cause(error: BaseException) -> str:
    return (str(error.__cause__ or error).splitlines() or [type(error).__name__])[0]
