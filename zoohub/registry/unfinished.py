"""The note that a writer leaves while the index lags behind its rows, so that a killed one is noticed."""

from __future__ import annotations

import os
import platform
import time

from zoohub.registry.database import Connection
from zoohub.registry.index import get_meta, set_meta

_NAME = "unfinished"
_SILENCE = 600.0  # seconds after which a writer of another machine, who notes each batch, counts as dead


def note(connection: Connection) -> None:
    """This process is writing; its rows are not all in the index yet."""
    set_meta(connection, _NAME, f"{platform.node()} {os.getpid()} {time.time():.0f}")


def noted(connection: Connection) -> bool:
    """Whether some writer, alive or dead, left the note."""
    return get_meta(connection, _NAME) is not None


def clear(connection: Connection) -> None:
    """The index is complete."""
    connection.run("DELETE FROM meta WHERE name = ?", (_NAME,))


def abandoned(connection: Connection) -> bool:
    """Whether a writer left the note and is gone."""
    value = get_meta(connection, _NAME)
    if value is None:
        return False
    host, pid, at = value.rsplit(" ", 2)
    if host == platform.node() and not _alive(int(pid)):
        return True
    return abs(time.time() - float(at)) > _SILENCE  # either way: a clock may have been set back


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
