"""What the registry asks of the license base, and caches in the table `licenses`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from zoohub.registry.encoding import storable
from zoohub.registry.records import UNKNOWN, ModelRecord

GROUPS = ("commercial", "permissive")


class LicenseRow(NamedTuple):
    """One row of the table `licenses`, without its key."""

    raw: str
    name: str
    link: str
    id: str
    commercial: str = UNKNOWN
    permissive: str = UNKNOWN


def license_row(record: ModelRecord) -> LicenseRow:
    """The license of a record: as its source normalized it, else normalized from what was declared."""
    return _row(record.license_raw, record.license_name, record.license_link, record.license)


@lru_cache(maxsize=1 << 14)
def _row(raw: str | None, name: str | None, link: str | None, id: str) -> LicenseRow:
    if id == UNKNOWN and (raw or name or link):
        id = normalized(raw, name, link)
    return LicenseRow(_clean(raw), _clean(name), _clean(link), _clean(id), *answers(id))


def _clean(text: str | None) -> str:
    return storable(text or "")[:1000]


def normalized(raw: str | None, name: str | None, link: str | None) -> str:
    """The normalized id of a declared license, or unknown."""
    from zoohub.cards import licenses

    return str(licenses.normalize(raw, name=name, link=link).id)


@lru_cache(maxsize=1 << 12)
def answers(id: str) -> tuple[str, str]:
    """May it be used commercially, and is it permissive: yes, no or unknown.

    A grant that hangs on the user's revenue, or on a registration, is no plain yes: it stays unknown here, and
    the audit says what it hangs on.
    """
    if id == UNKNOWN:
        return UNKNOWN, UNKNOWN
    from zoohub.cards import licenses
    from zoohub.errors import UnknownLicense

    try:
        commercial = str(licenses.get(id).answer("commercial"))
    except UnknownLicense:
        return UNKNOWN, UNKNOWN
    if commercial == "yes" and not licenses.in_group(id, "commercial"):
        commercial = UNKNOWN
    return commercial, "yes" if licenses.in_group(id, "permissive") else UNKNOWN


def resolve(word: str) -> str:
    """The license id that a word of a search means; groups and `unknown` stay as they are.

    Raises:
        UnknownLicense: the license base knows no such word.
    """
    if word in (*GROUPS, UNKNOWN):
        return word
    from zoohub.cards import licenses

    return str(licenses.resolve(word).id)
