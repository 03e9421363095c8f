"""Edits that people make to license texts: those that change nothing, and those that change what it says."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator

SWAPS = (
    (r"\bmay not\b", "may"),
    (r"\bmay\b(?! not)", "may not"),
    (r"\bmust not\b", "must"),
    (r"\bmust\b(?! not)", "must not"),
    (r"\bshall not\b", "shall"),
    (r"\bshall\b(?! not)", "shall not"),
    (r"\bwill not\b", "will"),
    (r"\bnot\b", ""),
    (r"\bwithout\b", "with"),
    (r"\bnon-?commercial\b", "commercial"),
    (r"(?<!non)(?<!non-)\bcommercial\b", "non-commercial"),
    (r"\band\b", "or"),
    (r"\ball\b", "some"),
    (r"\bunless\b", "if"),
    (r"\birrevocable\b", "revocable"),
    (r"\bworldwide\b", "limited"),
    (r"\bgranted\b", "denied"),
    (r"\bany\b", "no"),
    (r"\bfree of charge\b", "for a fee"),
)


def _wrapped(width: int) -> Callable[[str], str]:
    def wrap(text: str) -> str:
        paragraphs = re.split(r"\n[ \t]*\n", text)
        return "\n\n".join(_wrap_paragraph(part, width) for part in paragraphs)

    return wrap


def _wrap_paragraph(part: str, width: int) -> str:
    """Wrap as an editor does, leaving lists, headings and holder lines alone."""
    lines = part.split("\n")
    if any(re.match(r"\s*(copyright|\(c\)|©|all rights)", line, re.IGNORECASE) for line in lines):
        return part
    return textwrap.fill(
        " ".join(line.strip() for line in lines), width, break_on_hyphens=False, break_long_words=False
    )


HARMLESS: dict[str, Callable[[str], str]] = {
    "unedited": lambda text: text,
    "wrapped at 60": _wrapped(60),
    "wrapped at 120": _wrapped(120),
    "double spaces": lambda text: text.replace(" ", "  "),
    "indented": lambda text: textwrap.indent(text, "    "),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "tabs and blank lines": lambda text: "\n\n\t" + text.replace("\n\n", "\n \n\n") + "\n\n\n",
    "byte order mark": lambda text: "\ufeff" + text,
    "straight quotes": lambda text: text.translate(str.maketrans("“”‘’", "\"\"''")),
    "curly quotes": lambda text: text.replace('"', "”").replace("'", "’"),
    "commented": lambda text: "\n".join("# " + line for line in text.split("\n")),
    "holder filled in": lambda text: (
        "Copyright (c) 2021-2025 Example Labs, Inc. and contributors. All rights reserved.\n\n" + text
    ),
    "holder of another kind": lambda text: "© 2024 Müller & Söhne GmbH\n" + text,
    "case": str.upper,
}


def _ruling(text: str, pattern: str, flags: int = 0) -> list[re.Match[str]]:
    """Matches outside the lines that only name a holder or a year."""
    holder = re.compile(r"^\W*(copyright|©|\(c\) ?\d|all rights)", re.IGNORECASE)
    return [match for match in re.finditer(pattern, text, flags)
            if not holder.match(text[text.rfind("\n", 0, match.start()) + 1 :])]  # fmt: skip


def changed(text: str, limit: int = 3) -> Iterator[tuple[str, str]]:
    """(what was done, the text with one clause changed): each swap at up to `limit` places, numbers, cuts
    and additions."""
    for pattern, new in SWAPS:
        for match in _ruling(text, pattern, re.IGNORECASE)[:limit]:
            yield f"{match[0]} -> {new or 'nothing'}", text[: match.start()] + new + text[match.end() :]
    for match in _ruling(text, r"\b\d[\d,.]*\d\b")[:limit]:
        yield f"{match[0]} -> {match[0]}0", text[: match.end()] + "0" + text[match.end() :]
    sentences = _ruling(text, r"[A-Z][^.]{40,400}\.")
    for match in sentences[:: max(1, len(sentences) // limit)][:limit]:
        yield "sentence cut", text[: match.start()] + text[match.end() :]
        yield (
            "sentence added",
            text[: match.end()] + " You may not use it for a commercial purpose." + text[match.end() :],
        )
    yield "clause at the end", text + "\nNo use in weapons.\n"
    yield "clause at the top", "For research only.\n\n" + text
    yield "clause in the holder line", "Copyright (c) 2025 Example Labs. Research use only.\n\n" + text
    yield "clause as a list item", text + "\n(c) sale of weapons\n"
    yield "clause in a comment", "<!-- not for military bodies -->\n" + text
