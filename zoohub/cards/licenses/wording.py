"""License text as words: what two copies of one license have in common when only layout and holder differ.

Kept are all words, numbers, currencies and comparison signs, in order; dropped are case, white space,
punctuation, emphasis marks, title lines and lines that do nothing but name a copyright holder. A changed
word, number or sign therefore always changes the result.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[%≤≥≠¬±]|[<>](?=\s*\d)|[$€£¥₩₽₹]")
_CUT = re.compile(r"(?<=[.;:,)])(?=\s)|(?=\()")
_YEAR = (
    r"(?:\[?(?:19|20)\d[\dx](?:\s*[-–,]\s*(?:19|20)\d[\dx])*\]?|\[?\(?<?(?:yyyy|years?|year\(s\))>?\)?\]?)"
)
_HOLDER = re.compile(
    rf"^\W*(?:portions\s+)?(?:copyright|copr\.?|©)\s*(?:\(c\)|©|&copy;)?\s*"
    rf"(?:{_YEAR}|(?<=\(c\)) |(?<=©) |by\b|[\[<{{])(?P<name>.*)$"
    rf"|^\W*\(c\)\s*{_YEAR}(?P<dated>.*)$"
    r"|^\W*(?:portions\s+)?copyright\s+(?:\(c\)|©)(?P<marked>.*)$"
    r"|^\W*(?-i:Copyright|COPYRIGHT)\s+"
    r"(?P<plain>(?!holder|owner)(?-i:[A-Z])\S+.*|\S+ (?:authors|contributors)\W*)$"
    r"|^\W*all rights reserved\W*$",
    re.IGNORECASE,
)
# A line with one of these says something, so it is no mere holder line.
_OPERATIVE = frozenset(
    """may not must shall should will can cannot no non none never only except unless without use used
uses usage user users license licensed licence permission permitted prohibited forbidden forbids forbid
commercial noncommercial purposes purpose grant granted terms condition conditions agreement restricted
restriction restrictions military weapons research academic academia evaluation internal personal private
education educational sale sell resale distribute redistribute copy modify any if notice law laws who whom
that which is are be been was were to has have subject provided free limited""".split()
)
# What stands in holders' names beside names.
_CONNECTORS = frozenset(
    """and the of by for at de la van von der den du et al inc llc ltd gmbh co corp its affiliates
contributors contributor authors author team project developers community group university institute
foundation present year name holder holders copyright owner owners fullname yyyy all rights reserved
original or other individual developers see file files txt md""".split()
)
# Ruling words that are names too, where they begin with a capital.
_ALSO_NAMES = frozenset(["will", "may", "grant", "law", "free", "research", "education"])
_PLACEHOLDER = frozenset(["name", "of", "copyright", "owner", "fullname", "holder", "holders"])
_BSD_NAMES = (
    re.compile(r"(neither the names? of )(.{1,120}?)( nor the names? of (?:its|their|his|her|any) )"),
    re.compile(r"(software is provided by )(.{1,120}?)( as is)"),
    re.compile(r"(in no event shall )(.{1,120}?)( be liable)"),
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words between two marks of punctuation: digest, number of words, where it stood."""

    digest: str
    words: int
    text: str
    line: int


def words(text: str) -> list[str]:
    """The words of a license text, in order, without title and holder lines."""
    kept = "\n".join(_content_lines(text))
    return _without_names(["http" if word == "https" else word for word in _WORD.findall(_plain(kept))])


def digest(text: str) -> str:
    """SHA-256 over the words: equal for two copies that say the same."""
    return hashlib.sha256(" ".join(words(text)).encode()).hexdigest()


def segments(text: str) -> list[Segment]:
    """The text cut at its punctuation, for finding what differs.

    Line ends count for nothing, so wrapping does not either.
    """
    lines = text.splitlines()
    numbers = _content_numbers(text)
    stream = "\n".join(lines[number - 1] for number in numbers)
    found: list[Segment] = []
    row = 0
    for run in _CUT.split(stream):
        inner = ["http" if word == "https" else word for word in _WORD.findall(_plain(run))]
        if inner:
            lead = len(run) - len(run.lstrip())
            line = numbers[row + run[:lead].count("\n")]
            found.append(Segment(_short(inner), len(inner), " ".join(run.split()), line))
        row += run.count("\n")
    return found


def _short(inner: list[str]) -> str:
    return hashlib.sha256(" ".join(inner).encode()).hexdigest()[:8]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _content_lines(text: str) -> list[str]:
    lines = text.splitlines()
    return [lines[number - 1] for number in _content_numbers(text)]


def _content_numbers(text: str) -> list[int]:
    """The numbers (from 1) of lines that are neither titles at the top nor holder lines."""
    kept: list[int] = []
    at_top, fresh = True, True  # fresh: nothing of a running paragraph stands right before the line
    for number, line in enumerate(text.splitlines(), 1):
        bare = _WORD.findall(_plain(line))
        if not bare:
            kept.append(number)
            fresh = True
        elif _is_holder(line, fresh) or (at_top and " ".join(bare) in _titles()):
            continue
        else:
            at_top = fresh = False
            kept.append(number)
    return kept


def _is_holder(line: str, fresh: bool) -> bool:
    """Whether a line only names who holds the copyright: made of names, without a ruling word."""
    match = _HOLDER.match(line)
    if not match or len(line) > 160 or _in_quotation(line) or (match["plain"] and not fresh):
        return False
    name = match["name"] or match["dated"] or match["marked"] or match["plain"] or ""
    name = re.sub(
        r"\ball rights reserved\b|\S+@\S+|\bhttps?://\S+|\bto present\b", " ", name, flags=re.IGNORECASE
    )
    name = re.sub(r"\b(contributors) to\b", r"\1", name, flags=re.IGNORECASE)
    inner = re.findall(r"[^\W\d_][\w.\-]*(?<![.\-])", name)
    if "[" in name or "<" in name:
        inner = [word for word in inner if word.lower() not in _PLACEHOLDER]
    if any(_rules(word) for word in inner):
        return False
    common = [word for word in inner if word.islower() and word not in _CONNECTORS]
    return len(common) <= 1 and len(inner) <= 20  # one: a user's name


def _rules(word: str) -> bool:
    """Whether a word of a holder line says what may be done, rather than who."""
    if not word.islower() and word.lower() in _ALSO_NAMES:
        return False
    return not _OPERATIVE.isdisjoint(re.findall(r"[^\W\d_]+", word.lower()))


def _in_quotation(line: str) -> bool:
    """Whether a quotation begins or ends in the line: then a clause prescribes what stands there."""
    return line.count('"') % 2 == 1 or line.count("“") != line.count("”")


def _titles() -> frozenset[str]:
    """First lines that only name the license; they are the same for every text, so they decide nothing."""
    return frozenset(
        {
            "mit license",
            "the mit license",
            "the mit license mit",
            "mit license mit",
            "expat license",
            "isc license",
            "the isc license",
            "bsd 3 clause license",
            "the 3 clause bsd license",
            "bsd 2 clause license",
            "the 2 clause bsd license",
            "the bsd 3 clause license",
            "the bsd 2 clause license",
            "bsd license",
            "new bsd license",
            "modified bsd license",
            "simplified bsd license",
            "the clear bsd license",
            "boost software license version 1.0",
            "mit no attribution",
            "license",
            "zlib license",
            "the zlib license",
            "postgresql license",
            "the unlicense",
        }
    )


def _without_names(found: list[str]) -> list[str]:
    """Put a neutral word where a BSD-like text names its holder, unless the name holds a ruling word."""
    text = " ".join(found)
    for pattern in _BSD_NAMES:
        text = pattern.sub(_without_name, text)
    return text.split(" ")


def _without_name(match: re.Match[str]) -> str:
    return f"{match[1]}holder{match[3]}" if _is_name(match[2]) else match[0]


def _is_name(text: str) -> bool:
    inner = text.split()
    return (
        len(inner) <= 12 and all(map(str.isalpha, inner)) and not (_OPERATIVE - {"any"}).intersection(inner)
    )
