"""Refusals: each is an HTTP status, the code that the Hugging Face client keys on, and a message."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from zoohub.errors import HubError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)  # of an OSError


class Refusal(HubError):
    """Base of all answers that are no success. `code` becomes `X-Error-Code`."""

    status = 400
    code: str | None = None

    def __init__(self, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        self.headers = dict(headers or {})
        super().__init__(message)


class BadRequest(Refusal):
    """The request cannot be understood or asks for something impossible."""


class Unauthorized(Refusal):
    """A token that is not valid, or none where one is needed."""

    status = 401

    def __init__(self, message: str = "Invalid credentials in Authorization header") -> None:
        super().__init__(message)


class RepoNotFound(Refusal):
    """No such repository, or none that this caller may know of: both answers are the same.

    Anonymous callers get 401 as from the Hugging Face hub, so that clients ask for a token.
    """

    status = 404
    code = "RepoNotFound"

    def __init__(self, *, anonymous: bool) -> None:
        self.status = 401 if anonymous else 404
        super().__init__("Repository not found. If it is private, a token with access to it is needed.")


class RevisionNotFound(Refusal):
    """The repository has no such branch, tag or commit."""

    status = 404
    code = "RevisionNotFound"

    def __init__(self, revision: str) -> None:
        super().__init__(f"Invalid rev id: {ascii(revision[:200])[1:-1]}")


class EntryNotFound(Refusal):
    """The revision has no such file; carries the commit, which the client's negative cache needs."""

    status = 404
    code = "EntryNotFound"

    def __init__(self, commit: str) -> None:
        super().__init__("Entry not found", headers={"X-Repo-Commit": commit})


class GatedRepo(Refusal):
    """The repository's owner asks readers to request access first."""

    status = 403
    code = "GatedRepo"


class Forbidden(Refusal):
    """The caller is known and may not do this."""

    status = 403


class Disabled(Refusal):
    """The repository is blocked by the license policy or an administrator."""

    status = 403
    code = "DisabledRepo"


class NotFound(Refusal):
    """Something other than a repository is not there."""

    status = 404


class Conflict(Refusal):
    """It exists already."""

    status = 409


class StaleParent(Refusal):
    """Another commit came first: the branch no longer points to the parent that the caller named."""

    status = 412


class TooLarge(Refusal):
    """The body is larger than this hub accepts."""

    status = 413


class QuotaExceeded(Refusal):
    """The namespace has no room left."""

    status = 403


class PolicyRefused(Refusal):
    """The hub's policy refuses this push; the message lists the reasons."""

    status = 403


class StorageFull(Refusal):
    """The disk is full: the request can be sent again once there is room."""

    status = 507
    MESSAGE = "The hub's disk is full. Try again when its administrator has made room."

    def __init__(self) -> None:
        super().__init__(self.MESSAGE)


class Unavailable(Refusal):
    """An upstream hub did not answer, or may not be asked."""

    status = 503


class TooManyRequests(Refusal):
    """The caller sends more than the hub's limits allow."""

    status = 429
