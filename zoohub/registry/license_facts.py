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
    """The normalized id of a declared license, the expression where it is one of several, or unknown."""
    from zoohub.cards import licenses

    match = licenses.normalize(raw, name=name, link=link)
    return str(match.expression or UNKNOWN) if match.id == UNKNOWN else str(match.id)


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

    several = " " in id
    in_group = licenses.all_in_group if several else licenses.in_group
    try:
        terms = licenses.combined(id) if several else licenses.get(id)
    except (UnknownLicense, ValueError):
        return UNKNOWN, UNKNOWN
    commercial = str(terms.answer("commercial"))
    if commercial == "yes" and not in_group(id, "commercial"):
        commercial = UNKNOWN
    return commercial, "yes" if in_group(id, "permissive") else UNKNOWN


def resolve(word: str) -> str:
    """The license id that a word of a search means; groups and `unknown` stay as they are.

    Raises:
        UnknownLicense: the license base knows no such word.
    """
    if word.lower() in (*GROUPS, UNKNOWN):
        return word.lower()
    from zoohub.cards import licenses

    if " " in word:
        match = licenses.normalize(word)
        if match.id == UNKNOWN and match.expression:
            return str(match.expression)
    return str(licenses.resolve(word).id)
