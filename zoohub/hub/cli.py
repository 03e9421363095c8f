"""`zoo serve` and `zoo hub`: run the hub, and look after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zoohub.hub.config import Config
    from zoohub.hub.service import Hub

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file of settings.",
)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _config(file: Path | None, **options: Any) -> Config:
    _need_server()
    from zoohub.hub.config import Config

    return Config.load(file, **options)


def _need_server() -> None:
    from importlib.util import find_spec

    from zoohub.errors import MissingDependency

    for package in ("fastapi", "uvicorn", "lz4", "blake3", "prometheus_client"):
        if find_spec(package) is None:
            raise MissingDependency(package, "server")


@contextmanager
def _hub(file: Path | None) -> Iterator[Hub]:
    config = _config(file)
    from zoohub.hub.service import Hub

    hub = Hub(config)
    try:
        yield hub
    finally:
        hub.close()


@click.command()
@click.option("--host", help="The address to listen on; 0.0.0.0 for all.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port to listen on.  [default: 8000]")
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes that serve; more than one needs PostgreSQL."
)
@click.option("--data", help="The folder of files and uploads.  [default: $ZOO_HOME/hub]")
@click.option("--upstream", help="A hub to mirror from, such as https://huggingface.co")
@click.option("--public-url", help="The address that clients use, behind a proxy.")
@config_option
def serve(config_file: Path | None, **options: Any) -> None:
    """Serve a private hub that the Hugging Face clients talk to.

    The first start prints the administrator's password and token. Then, anywhere:

    \b
    export HF_ENDPOINT=http://127.0.0.1:8000 HF_TOKEN=...
    hf upload admin/my-model ./my-model
    """
    config = _config(config_file, **options)
    from zoohub.hub.server import serve as run

    run(config, _say)


@click.group()
def hub() -> None:
    """Look after a hub: users, organizations, tokens, the store."""


@hub.group()
def user() -> None:
    """Users of the hub."""


@user.command("add")
@click.argument("name")
@click.option("--password", help="The password; asked for where left out.")
@click.option("--email", help="An address that administrators see.")
@click.option("--admin", is_flag=True, help="May do everything on this hub.")
@config_option
def user_add(
    name: str, password: str | None, email: str | None, admin: bool, config_file: Path | None
) -> None:
    """Add a user NAME."""
    with _hub(config_file) as opened:
        if password is None:
            password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        opened.accounts.create_user(name, password, email=email, admin=admin)
        opened.accounts.note("command line", "user.add", name, {"admin": admin})
    _say(f"Added the user {name}.")


@user.command("list")
@config_option
def user_list(config_file: Path | None) -> None:
    """List users, one JSON object a line."""
    with _hub(config_file) as opened:
        for row in opened.accounts.everyone("user"):
            facts = {
                "name": row.name,
                "admin": bool(row.admin),
                "disabled": bool(row.disabled),
                "email": row.email,
            }
            click.echo(json.dumps(facts, ensure_ascii=False))


@user.command("set")
@click.argument("name")
@click.option("--password", help="A new password; ends all sessions.")
@click.option("--admin/--no-admin", default=None, help="May do everything on this hub.")
@click.option(
    "--disable/--enable", "disabled", default=None, help="A disabled user and all its tokens are refused."
)
@click.option("--quota", help="Room of the user's or organization's namespace, such as 50GB; 0: the default.")
@config_option
def user_set(name: str, config_file: Path | None, quota: str | None, **options: Any) -> None:
    """Change the user or organization NAME."""
    from zoohub.hub.config import _number

    facts = {key: value for key, value in options.items() if value is not None}
    if quota is not None:
        facts["quota"] = _number(quota) or None
    with _hub(config_file) as opened:
        row = opened.accounts.need(name)
        opened.accounts.change(row.id, **facts)
        opened.accounts.note("command line", "user.set", name, sorted(facts))


@user.command("delete")
@click.argument("name")
@config_option
def user_delete(name: str, config_file: Path | None) -> None:
    """Delete the user or organization NAME, which owns no repository any more."""
    with _hub(config_file) as opened:
        opened.accounts.delete(opened.accounts.need(name).id)
        opened.accounts.note("command line", "user.delete", name)


@hub.group()
def org() -> None:
    """Organizations: namespaces that several users share."""


@org.command("add")
@click.argument("name")
@click.option("--admin", "owner", required=True, help="The user who administers it.")
@config_option
def org_add(name: str, owner: str, config_file: Path | None) -> None:
    """Add an organization NAME."""
    with _hub(config_file) as opened:
        opened.accounts.create_org(name, opened.accounts.need(owner, "user").id)
        opened.accounts.note("command line", "org.add", name, {"admin": owner})
    _say(f"Added the organization {name}.")


@org.command("member")
@click.argument("name")
@click.argument("user_name", metavar="USER")
@click.option(
    "--role", type=click.Choice(["read", "write", "admin", "none"]), required=True, help="none takes it away."
)
@config_option
def org_member(name: str, user_name: str, role: str, config_file: Path | None) -> None:
    """Give USER a role in the organization NAME, or none."""
    with _hub(config_file) as opened:
        group, member = opened.accounts.need(name, "org"), opened.accounts.need(user_name, "user")
        opened.accounts.set_member(group.id, member.id, None if role == "none" else role)
        opened.accounts.note("command line", "org.member", name, {"user": user_name, "role": role})


@org.command("list")
@config_option
def org_list(config_file: Path | None) -> None:
    """List organizations with their members, one JSON object a line."""
    with _hub(config_file) as opened:
        for row in opened.accounts.everyone("org"):
            people = {member.name: member.role for member in opened.accounts.members(row.id)}
            click.echo(json.dumps({"name": row.name, "members": people}, ensure_ascii=False))


@hub.group()
def token() -> None:
    """Access tokens."""


@token.command("add")
@click.argument("user_name", metavar="USER")
@click.option("--name", default="command line", show_default=True, help="What it is for.")
@click.option(
    "--role", type=click.Choice(["read", "write"]), default="read", show_default=True, help="What it may do."
)
@click.option("--scope", multiple=True, help="A namespace or repository it is good for; may be repeated.")
@click.option("--days", type=click.FloatRange(min=0.001), help="Days until it expires.")
@config_option
def token_add(
    user_name: str, name: str, role: str, scope: tuple[str, ...], days: float | None, config_file: Path | None
) -> None:
    """Make a token for USER and print it: it is stored only as a hash."""
    with _hub(config_file) as opened:
        row = opened.accounts.need(user_name, "user")
        life = days * 86400 if days else None
        made = opened.accounts.create_token(row.id, name, role, scope=scope or None, life=life)
        opened.accounts.note("command line", "token.add", user_name, {"name": name, "role": role})
    click.echo(made)


@token.command("list")
@click.argument("user_name", metavar="USER")
@config_option
def token_list(user_name: str, config_file: Path | None) -> None:
    """List the tokens of USER, one JSON object a line."""
    with _hub(config_file) as opened:
        for row in opened.accounts.tokens(opened.accounts.need(user_name, "user").id):
            facts = {
                "id": row.id,
                "name": row.name,
                "role": row.role,
                "scope": row.scope,
                "expires": row.expires,
            }
            click.echo(json.dumps(facts, ensure_ascii=False))


@token.command("revoke")
@click.argument("user_name", metavar="USER")
@click.argument("token_id", type=int)
@config_option
def token_revoke(user_name: str, token_id: int, config_file: Path | None) -> None:
    """Revoke the token TOKEN_ID of USER, at once."""
    with _hub(config_file) as opened:
        opened.accounts.revoke(opened.accounts.need(user_name, "user").id, token_id)
        opened.accounts.note("command line", "token.revoke", user_name, {"id": token_id})


@hub.command()
@click.option("--grace", default=1.0, show_default=True, help="Days that what nobody refers to is kept.")
@click.option("--pack-grace", type=float, help="Days that unused chunks are kept.  [default: 28]")
@config_option
def gc(grace: float, pack_grace: float | None, config_file: Path | None) -> None:
    """Remove what no repository needs any more; safe while the hub serves."""
    from dataclasses import asdict

    from zoohub.hub.maintenance import DAY, collect

    with _hub(config_file) as opened:
        days = pack_grace * DAY if pack_grace is not None else None
        swept = collect(opened, grace=grace * DAY, pack_grace=days)
    click.echo(json.dumps(asdict(swept)))


@hub.command()
@click.option("--quick", is_flag=True, help="Compare sizes only; do not read the files.")
@config_option
def fsck(quick: bool, config_file: Path | None) -> None:
    """Check every reference, commit and file; exit code 1 where something is wrong."""
    from zoohub.hub.maintenance import check

    with _hub(config_file) as opened:
        health = check(opened, contents=not quick, progress=_say)
    for fault in health.faults:
        click.echo(fault)
    _say(
        f"{health.repos} repositories, {health.commits} commits, {health.blobs} blobs of {health.bytes} bytes"
    )
    _say(f"{len(health.faults)} faults")
    if health.faults:
        raise SystemExit(1)


@hub.command()
@click.option("--limit", default=50, show_default=True, help="How many lines.")
@config_option
def log(limit: int, config_file: Path | None) -> None:
    """Who wrote what, the newest first, one JSON object a line."""
    from sqlalchemy import select

    from zoohub.hub.modelfacts import iso
    from zoohub.hub.tables import log as table

    with _hub(config_file) as opened, opened.db.read() as connection:
        for row in connection.execute(select(table).order_by(table.c.id.desc()).limit(limit)):
            facts = {"at": iso(row.at), "actor": row.actor, "action": row.action, "target": row.target}
            detail = json.loads(row.detail) if row.detail else None
            click.echo(json.dumps(facts | {"detail": detail, "address": row.address}, ensure_ascii=False))


@hub.command("import")
@click.argument("model")
@click.option("--to", "target", help="The id on this hub.  [default: the same]")
@click.option("--from", "origin", help="A hub's address or a folder on this machine.  [default: HF_ENDPOINT]")
@click.option("--revision", help="A branch, tag or commit.  [default: main]")
@click.option(
    "--as", "user_name", default="admin", show_default=True, help="The user in whose name it is done."
)
@click.option("--private", is_flag=True, help="Make it private here.")
@config_option
def import_(model: str, user_name: str, config_file: Path | None, **options: Any) -> None:
    """Copy MODEL into this hub, with its card and license texts; every file is verified."""
    from zoohub.hub.transfer import import_model

    with _hub(config_file) as opened:
        actor = opened.accounts.as_user(opened.accounts.need(user_name, "user").id)
        done = import_model(opened, actor, model, say=_say, **options)
    click.echo(json.dumps({"id": done.repo.name, "revision": done.oid}))


@hub.command()
@click.argument("model")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--revision", default="main", show_default=True, help="A branch, tag or commit.")
@click.option("--dataset", is_flag=True, help="MODEL is a dataset.")
@config_option
def export(model: str, folder: Path, revision: str, dataset: bool, config_file: Path | None) -> None:
    """Write the files of MODEL to FOLDER, verified."""
    from zoohub.hub.transfer import export_repo

    with _hub(config_file) as opened:
        count = export_repo(opened, "dataset" if dataset else "model", model, revision, folder)
    _say(f"{count} files in {folder}")
