"""Is a file name safe to create on any system? Names come from strangers: each is checked before use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from zoohub.errors import UnsafeFile

MAX_PART, MAX_PATH, MAX_DEPTH = 255, 1024, 32

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
_FORBIDDEN = {"Cc": "a control character", "Cf": "an invisible or direction-turning character",
              "Cs": "half of a surrogate pair", "Co": "a private-use character",
              "Zl": "a line separator", "Zp": "a paragraph separator"}  # fmt: skip


def problem(name: str) -> str | None:
    """Why the relative path `name` (parts joined by '/') may not be created, or None where it may."""
    if not name:
        return "the name is empty"
    for char in name:
        if kind := _FORBIDDEN.get(unicodedata.category(char)):
            return f"it holds {kind} (U+{ord(char):04X})"
    if "\\" in name:
        return "it holds a backslash"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "it is absolute"
    if len(name.encode()) > MAX_PATH:
        return f"it is longer than {MAX_PATH} bytes"
    parts = name.split("/")
    if len(parts) > MAX_DEPTH:
        return f"it is deeper than {MAX_DEPTH} folders"
    return next((reason for part in parts if (reason := _part_problem(part))), None)


def _part_problem(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "it leaves its folder" if part == ".." else "a part of it is empty or '.'"
    if len(part.encode()) > MAX_PART:
        return f"a part of it is longer than {MAX_PART} bytes"
    if part[-1] in ". " or part[0] == " ":
        return "a part of it begins with a space or ends with a dot or space"
    if any(char in '<>:"|?*' for char in part):
        return "it holds a character that Windows reserves"
    if _RESERVED.fullmatch(part):
        return f"{part!r} is a device name on Windows"
    if part.casefold() == ".git":
        return "it lies in a .git folder"
    return None


def require_safe(names: Iterable[str]) -> None:
    """Refuse a list of names of which one is unsafe or two are one file on some systems.

    Raises:
        UnsafeFile: with the name and the reason.
    """
    seen: dict[str, str] = {}
    for name in names:
        if reason := problem(name):
            raise UnsafeFile(f"File name {name!r} is refused: {reason}.", "Nothing was written.")
        folded = unicodedata.normalize("NFC", name).casefold()
        if seen.setdefault(folded, name) != name:
            raise UnsafeFile(
                f"File names {seen[folded]!r} and {name!r} are one file where case does not count.",
                "Nothing was written.",
            )
