"""The hub's configuration: a TOML file, overridden by `ZOO_HUB_*` variables, overridden by options."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from zoohub import settings
from zoohub.errors import UsageError

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of a hub; the names are those of the file, and in upper case of the variables.

    `public_url` is the address that clients use, where a proxy stands before the hub. Sizes are in bytes.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    searchers: int = 2  # processes that search, for each worker
    public_url: str = ""
    root_path: str = ""
    trusted_proxies: str = "127.0.0.1"
    data: str = ""  # folder of everything that is no database row
    storage: str = ""  # another place for blobs: a folder or an address such as s3://bucket/prefix
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    database: str = ""
    catalog: bool = True  # whether a new database begins with the bundled catalog
    login_required: bool = False
    default_private: bool = False
    admin_name: str = "admin"
    quota: int = 0  # of a namespace; 0: unlimited
    max_body: int = 64 << 20  # of a request that is no upload
    max_commit: int = GIB
    max_file: int = 512 * GIB
    max_regular: int = 1 << 20  # larger files go by LFS or Xet
    multipart_from: int = GIB
    disk_reserve: int = 256 << 20
    rate: int = 3000  # requests of one caller in five minutes; 0: unlimited
    login_rate: int = 20  # failed logins from one address in five minutes
    oidc_issuer: str = ""  # the address of an OpenID Connect provider to log in at
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_create: bool = True  # whether somebody's first login there makes a user here
    policy: str = ""  # a policy's name or file; "": the one in force for `zoo audit`
    on_deny: str = "flag"  # what happens to a push that the policy denies: refuse | flag | block | ignore
    on_unsafe: str = "flag"  # what happens to files that can run code: refuse | flag | ignore
    upstream: str = ""  # a hub to mirror from
    upstream_allow: tuple[str, ...] = ("*",)
    upstream_private_addresses: bool = False  # whether the upstream may lie in a private network
    upstream_max_age: float = 3600.0  # seconds until an upstream branch is asked for again
    offline: bool = False
    log_format: str = "json"

    @property
    def folder(self) -> Path:
        """The data folder."""
        return Path(self.data).expanduser().resolve() if self.data else settings.home() / "hub"

    @property
    def database_url(self) -> str:
        """The database: the hub's own setting, else the registry's."""
        return self.database or settings.database_url()

    @classmethod
    def load(cls, file: Path | None = None, **options: Any) -> Config:
        """Read the file (else `$ZOO_HUB_CONFIG`, else `$ZOO_HOME/hub.toml`) and the variables.

        Raises:
            UsageError: an unknown key or a value of the wrong type.
        """
        path = file or Path(os.environ.get("ZOO_HUB_CONFIG") or settings.home() / "hub.toml")
        values: dict[str, Any] = {}
        if path.is_file():
            values = _read(path)
        elif file is not None:
            raise UsageError(f"No configuration file {file}.")
        known = {item.name: item for item in fields(cls)}
        for key in known:
            text = os.environ.get(f"ZOO_HUB_{key.upper()}")
            if text is not None:
                values[key] = text
        values |= {key: value for key, value in options.items() if value is not None}
        if unknown := set(values) - set(known):
            raise UsageError(
                f"Unknown settings of the hub: {', '.join(sorted(unknown))}.",
                f"There are: {', '.join(known)}",
            )
        base = cls()
        return replace(
            base, **{key: _convert(key, value, getattr(base, key)) for key, value in values.items()}
        )._checked()

    def _checked(self) -> Config:
        for key, choices in (
            ("on_deny", ("refuse", "flag", "block", "ignore")),
            ("on_unsafe", ("refuse", "flag", "ignore")),
            ("log_format", ("json", "text")),
        ):
            if getattr(self, key) not in choices:
                raise UsageError(f"The hub's setting {key} is one of {', '.join(choices)}.")
        if not 0 <= self.port <= 65535:
            raise UsageError(f"{self.port} is no port.")
        return self


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML file: {error}.") from error


def _convert(key: str, value: Any, default: Any) -> Any:
    """`value` as the type of `default`; sizes may be written as 10GB."""
    try:
        if isinstance(default, bool):
            return _boolean(value)
        if isinstance(default, int):
            return _number(value)
        if isinstance(default, float):
            return float(value)
        if isinstance(default, tuple):
            return tuple(value.split(",")) if isinstance(value, str) else tuple(map(str, value))
        if isinstance(default, Mapping):
            return dict(value)
        if isinstance(value, str):
            return value
    except (TypeError, ValueError):
        pass
    raise UsageError(f"The hub's setting {key} cannot be {value!r}.")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise ValueError(word)
    return word in ("1", "true", "yes", "on")


def _number(value: Any) -> int:
    text = str(value).strip().upper().removesuffix("IB").removesuffix("B")
    for power, unit in enumerate("KMGT", 1):
        if text.endswith(unit):
            return int(float(text[:-1]) * 1024**power)
    return int(text)
