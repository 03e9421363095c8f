"""The free text of a search, read into a plan.

    bert                 a word that begins so, or letters inside a name ("distilbert")
    "bert base"          these words in a row
    -gguf                not this
    bert OR roberta      either (binds tighter than the blank, which means AND); `|` too
    情感分析             the characters in a row; a text that names a task finds that task's models too

Any text is answered: what has no meaning (a lone quote, a trailing OR) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any as Value

from zoohub import tasks
from zoohub.registry.plan import All, Any, Candidate, Checked, Has, Node, Not, prefix
from zoohub.registry.tokens import facet, grams, is_cjk, pair_tokens, split, word_token

MAX_WORDS = 32  # of a search; more are left out
_ITEM = re.compile(
    r"""(?P<minus>-?)(?:"(?P<quoted>[^"]*)"?|“(?P<curly>[^”]*)”?|「(?P<corner>[^」]*)」?|(?P<plain>[^\s"“「|]+))|(?P<bar>\|)"""
)
_LONGEST_TASK_NAME = 4  # words


@dataclass(frozen=True)
class Text:
    """A text that was read: the condition, and the plain words that relevance is judged by."""

    plan: Node
    words: tuple[str, ...]


@dataclass(frozen=True)
class _Item:
    words: tuple[str, ...]
    exact: bool
    negative: bool


def read(text: str) -> Text | None:
    """The plan of a free text; None where it asks for nothing."""
    groups = _groups(text)
    parts: list[Node] = []
    plain: list[str] = []
    # What is longest is rarest, and where nothing has it the rest need not be looked at.
    for group in sorted(groups, key=_longest, reverse=True):
        wanted: list[Node] = [_item(item) for item in group if not item.negative]
        if wanted:
            parts.append(wanted[0] if len(wanted) == 1 else Any(tuple(wanted)))
        parts.extend(Not(_item(item)) for item in group if item.negative)
    for group in groups:
        if len(group) == 1 and not group[0].negative:
            plain.extend(group[0].words)
    if not parts:
        return None
    plan: Node = All(tuple(parts))
    if all(len(group) == 1 and not group[0].negative and not group[0].exact for group in groups):
        plan = _with_tasks(plain, plan)
    return Text(plan, tuple(plain))


def _longest(group: list[_Item]) -> int:
    """The length of the longest word of the shortest alternative; 0 where it is unwanted."""
    return min(max(map(len, item.words)) if not item.negative else 0 for item in group)


def _groups(text: str) -> list[list[_Item]]:
    """The items of a text: each inner list holds alternatives, the outer one all that is asked."""
    groups: list[list[_Item]] = []
    join = False
    budget = MAX_WORDS
    for found in _ITEM.finditer(text):
        if found["bar"] or found["plain"] == "OR":
            join = bool(groups)
            continue
        quoted = next(
            (found[kind] for kind in ("quoted", "curly", "corner") if found[kind] is not None), None
        )
        parts = split(quoted if quoted is not None else found["plain"])[:budget]
        if not parts:
            continue
        budget -= len(parts)
        item = _Item(tuple(parts), quoted is not None, bool(found["minus"]))
        if join:
            groups[-1].append(item)
        else:
            groups.append([item])
        join = False
    return groups


def _item(item: _Item) -> Node:
    if item.exact:
        return _phrase(item.words)
    terms = [_term(word) for word in item.words]
    return terms[0] if len(terms) == 1 else All(tuple(terms))


def _with_tasks(plain: list[str], plan: Node) -> Node:
    """`plan`, or the same with a run of words that names a task replaced by "of that task or with these words"."""
    parts: list[Node] = []
    start, named = 0, False
    while start < len(plain):
        for length in range(min(_LONGEST_TASK_NAME, len(plain) - start), 0, -1):
            run = plain[start : start + length]
            task = tasks.match(" ".join(run)) or tasks.match("".join(run))
            if task:
                parts.append(Any((Has(facet("task", task.id)), All(tuple(_term(word) for word in run)))))
                start, named = start + length, True
                break
        else:
            parts.append(_term(plain[start]))
            start += 1
    return All(tuple(parts)) if named else plan


def _word(word: str) -> Node:
    """Exactly this word, wherever it stands."""
    return Any((Has(f"={word}"), Has(word_token(word)), Has(f"tag:{word}")))


def _term(word: str) -> Node:
    """A word as typed: the beginning of a word, or letters inside the name."""
    if is_cjk(word):
        inside = All(tuple(Has(gram) for gram in grams(word)))
        return inside if len(word) <= 2 else Checked(inside, partial(_holds_text, word))
    if len(word) == 1:
        return _word(word)
    if len(word) == 2:
        return Any((prefix(f"={word}"), Has(word_token(word)), Has(f"tag:{word}")))
    begins = Any((prefix(f"={word}"), prefix(word_token(word)), prefix(f"tag:{word}")))
    inside = All(tuple(Has(gram) for gram in grams(word)))
    return Any((begins, inside if len(word) == 3 else Checked(inside, partial(_name_holds, word))))


def _phrase(parts: tuple[str, ...]) -> Node:
    if len(parts) == 1:
        return _term(parts[0]) if is_cjk(parts[0]) else _word(parts[0])
    words = [_term(part) if is_cjk(part) else _word(part) for part in parts]
    likely = All((*map(Has, pair_tokens(parts)), *words))
    return Checked(likely, partial(_holds_phrase, parts))


def _name_holds(word: str, candidate: Candidate) -> bool:
    if word.isascii() and candidate.text.isascii():  # then to fold is to lower, and a word lies in one part
        if word.encode() not in candidate.text.lower():
            return False
        if word in candidate.key.lower():
            return True
    elif any(word in part for part in split(candidate.key)):
        return True
    doc = candidate.doc
    return any(word in part for part in split(f"{doc.get('name', '')} {doc.get('author', '')}"))


def _holds_text(word: str, candidate: Candidate) -> bool:
    return any(word in part for text in _texts(candidate.doc) for part in split(text))


def _holds_phrase(parts: tuple[str, ...], candidate: Candidate) -> bool:
    sought = f" {' '.join(parts)} "
    return any(sought in f" {' '.join(split(text))} " for text in _texts(candidate.doc))


def _texts(doc: Mapping[str, Value]) -> tuple[str, ...]:
    id = doc["id"]
    own = id.partition(":")[2] if doc.get("source") else id
    return (own, doc.get("name", ""), doc.get("author", ""), doc.get("description", ""), *doc.get("tags", ()))
