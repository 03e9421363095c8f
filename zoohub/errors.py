"""Every exception zoohub raises on purpose, each with its data and the remedy in its message.

A message says what is wrong, names the thing, and ends with what mends it. The command line prints
the message and exits with `exit_code`; a program catches the class and reads the attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def suggest(word: str, choices: Iterable[str], limit: int = 3) -> list[str]:
    """The `choices` most like `word`, best first: for "did you mean" in a message."""
    import difflib

    pool = list(choices)
    lowered = {choice.lower(): choice for choice in pool}
    close = difflib.get_close_matches(word.lower(), list(lowered), n=limit, cutoff=0.5)
    inside = [choice for low, choice in lowered.items() if word and word.lower() in low]
    merged = dict.fromkeys([lowered[low] for low in close] + inside)
    return list(merged)[:limit]


def did_you_mean(near: Sequence[str]) -> str:
    """A sentence that names the near spellings, or nothing where there are none."""
    return f" Did you mean {' or '.join(near)}?" if near else ""


class ZooError(Exception):
    """Base of all errors that zoohub raises on purpose: `message` says what, `remedy` what to do."""

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}\n  {remedy}" if remedy else message)


# --- what was asked for -------------------------------------------------------------------------


class UsageError(ZooError):
    """Options or arguments that contradict one another or lie outside what is possible."""


class InvalidModelId(UsageError):
    """A text that is no model id."""

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        super().__init__(
            f"{text!r} is no model id: {reason}.",
            "Write namespace/name, source:namespace/name or a path such as ./my-model.",
        )


class ModelNotFound(ZooError):
    """No model of that id or alias is in the registry."""

    def __init__(self, text: str, near: Sequence[str] = ()) -> None:
        self.text, self.near = text, tuple(near)
        remedy = f"Look for it with: zoo search {text.rsplit('/', 1)[-1]!r}"
        super().__init__(f"No model {text!r} in the registry.{did_you_mean(near)}", remedy)


class AmbiguousModel(ZooError):
    """One text names several models; `choices` are spellings that each name one."""

    def __init__(self, text: str, choices: Sequence[str]) -> None:
        self.text, self.choices = text, tuple(choices)
        super().__init__(f"{text!r} names {len(choices)} models.", f"Write one of: {', '.join(choices)}")


class UnknownTask(UsageError):
    """A word that is no task, in no language the vocabulary knows."""

    def __init__(self, text: str, near: Sequence[str] = ()) -> None:
        self.text, self.near = text, tuple(near)
        super().__init__(f"Unknown task {text!r}.{did_you_mean(near)}", "List all tasks: zoo tasks")


class UnknownLicense(UsageError):
    """A word that is no license id, alias or group of the license knowledge base."""

    def __init__(self, text: str, near: Sequence[str] = ()) -> None:
        self.text, self.near = text, tuple(near)
        super().__init__(
            f"Unknown license {text!r}.{did_you_mean(near)}", "List all licenses: zoo license list"
        )


class InvalidQuery(UsageError):
    """A search that contradicts itself or holds an impossible value."""


# --- the registry -------------------------------------------------------------------------------


class RegistryError(ZooError):
    """The registry's database cannot do what was asked."""


class DatabaseFailed(RegistryError):
    """The request was right and the database did not do it: a full disk, a lock, a server that is away."""

    exit_code = 1


class DatabaseTooNew(RegistryError):
    """A newer zoohub wrote this database."""

    def __init__(self, url: str, revision: str) -> None:
        self.url, self.revision = url, revision
        super().__init__(
            f"The registry {url} was written by a newer zoohub (schema {revision}).",
            "Upgrade this one: pip install --upgrade zoohub   (or name another: ZOO_HOME=...)",
        )


class DuplicateName(RegistryError):
    """A name, alias or adapter that exists already and is not overwritten silently."""


class InvalidRecord(RegistryError):
    """A record that the registry refuses, with the reason."""

    def __init__(self, ident: str, reason: str) -> None:
        self.ident, self.reason = ident, reason
        super().__init__(f"Record {ident!r} is refused: {reason}.")


class SourceError(ZooError):
    """A place where models come from did not answer, or answered nonsense."""

    exit_code = 1


# --- cards, licenses, audit ---------------------------------------------------------------------


class CardError(ZooError):
    """A model card that cannot be read or written."""


class PolicyError(ZooError):
    """A policy file that is no policy."""


class PolicyDenied(ZooError):
    """The active policy forbids what was asked; `findings` say why."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "", findings: Sequence[object] = ()) -> None:
        self.findings = tuple(findings)
        super().__init__(message, remedy)


# --- weights ------------------------------------------------------------------------------------


class WeightsError(ZooError):
    """A model's files cannot be fetched, verified or read."""

    exit_code = 1


class DigestMismatch(WeightsError):
    """A file's size or SHA-256 is not the one that was promised."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(
            f"{path}: expected {expected}, found {found}. The file was not kept.",
            "Pull it again; if it happens twice, the source is damaged or not what it says.",
        )


class UnsafeFile(WeightsError):
    """A file or file name that could harm: a pickle, a path that leaves its folder, a lying header."""


class NeedsCode(WeightsError):
    """A model that asks to run code of its own."""


class NotPulled(WeightsError):
    """A model whose weights are not on this machine and may not be fetched now."""


# --- adapters and data --------------------------------------------------------------------------


class MissingDependency(ZooError):
    """A package that the base install leaves out; `extra` brings it."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"This needs {package}, which is not installed.", f"pip install 'zoohub[{extra}]'")


class UnsupportedModel(ZooError):
    """No adapter can load this model, or not for this task."""


class CapabilityError(ZooError):
    """The adapter does not do what was asked of it (for example, fine-tune)."""


class DataError(ZooError):
    """Data that cannot be used as asked: no labels, one class only, a missing column, no image."""


class InputError(ZooError):
    """An input of `predict` or `embed` that cannot be read."""


class SelectorError(ZooError):
    """A recommendation that cannot be made, with the filter that left nothing."""


class HubError(ZooError):
    """The hub server cannot do what was asked."""
