"""What may be called what: repositories, files, revisions. Every name from outside passes here first.

A name that could leave its folder, hide its true spelling (control and bidi characters) or break on another
system (reserved names, trailing dots) is refused with a reason.
"""

from __future__ import annotations

import re
import unicodedata

from zoohub.hub.errors import BadRequest

REPO_TYPES = ("model", "dataset")
# Words that follow a repository in an address; a repository of that name could not be reached.
VERBS = frozenset({
    "auth-check", "branch", "commit", "commits", "discussions", "lfs-files", "likers", "paths-info",
    "preupload", "refs", "resolve", "revision", "settings", "super-squash", "tag", "tree",
    "user-access-request", "xet-read-token", "xet-write-token", "like", "compare",
})  # fmt: skip
# First words of an address that are no namespace.
RESERVED_NAMESPACES = frozenset({
    "api", "datasets", "models", "spaces", "kernels", "collections", "search", "login", "logout",
    "settings", "static", "health", "metrics", "docs", "openapi.json", "xet", "lfs", "oidc", "compare",
    "recommend", "audit", "tokens", "upload", "new", "organizations", "users", "join", "about",
    "robots.txt", "favicon.ico",
})  # fmt: skip
_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}")
_OID = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WINDOWS = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_CHARS_BAD = frozenset('\\:*?"<>|')
MAX_PATH, MAX_SEGMENT = 1024, 255


def namespace(text: str) -> str:
    """Check a user's or organization's name."""
    if not _PART.fullmatch(text) or ".." in text or "--" in text or len(text) > 64:
        raise BadRequest(f"{text!r} is no namespace: use letters, digits, '-', '.' and '_' (at most 64)")
    if text.lower() in RESERVED_NAMESPACES or text.lower() in VERBS:
        raise BadRequest(f"The namespace {text!r} is reserved")
    return text


def repo_name(text: str) -> str:
    """Check the part of a repository's id that follows the namespace."""
    if not _PART.fullmatch(text) or ".." in text or "--" in text:
        raise BadRequest(
            f"{text!r} is no repository name: use letters, digits, '-', '.' and '_' (at most 96), "
            "and begin and end with a letter or digit"
        )
    if text.lower() in VERBS or text.lower().endswith(".git") or _WINDOWS.fullmatch(text):
        raise BadRequest(f"The repository name {text!r} is reserved")
    return text


def file_path(text: str) -> str:
    """Check a file's path inside a repository; returns it in normal form (NFC)."""
    text = unicodedata.normalize("NFC", text)
    if not text or len(text.encode("utf-8", "surrogatepass")) > MAX_PATH:
        raise BadRequest(f"A file's path has 1 to {MAX_PATH} bytes")
    for segment in text.split("/"):
        _segment(segment, text)
    return text


def _segment(segment: str, path: str) -> None:
    shown = ascii(path[:200])
    if segment in ("", ".", ".."):
        raise BadRequest(f"The path {shown} has an empty, '.' or '..' part")
    if segment.lower() == ".git" or _WINDOWS.fullmatch(segment):
        raise BadRequest(f"The path {shown} has a reserved part: {segment!a}")
    if len(segment.encode("utf-8", "surrogatepass")) > MAX_SEGMENT:
        raise BadRequest(f"A part of the path {shown} is longer than {MAX_SEGMENT} bytes")
    if segment[-1] in ". " or segment[0] == " ":
        raise BadRequest(f"A part of the path {shown} begins or ends with a space or ends with a dot")
    for char in segment:
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or char in _CHARS_BAD:
            raise BadRequest(f"The path {shown} has a character that is not allowed: {char!a}")


def branch(text: str) -> str:
    """Check the name of a branch or tag (without `refs/...`)."""
    parts = text.split("/")
    if not _REF.fullmatch(text) or ".." in text or any(not part or part[0] == "." for part in parts):
        raise BadRequest(f"Invalid reference name: {text[:200]!a}")
    if text.endswith((".lock", "/", ".")) or text.startswith("refs/") or is_oid(text):
        raise BadRequest(f"Invalid reference name: {text[:200]!a}")
    return text


def is_oid(text: str) -> bool:
    """Whether `text` has the form of a commit id."""
    return _OID.fullmatch(text) is not None


def sha256(text: object) -> str:
    """Check a SHA-256 in hex."""
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise BadRequest("A SHA-256 has 64 lowercase hexadecimal digits")
    return text
