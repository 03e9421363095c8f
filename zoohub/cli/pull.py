"""`zoo pull` and `zoo store`: bring models onto this machine, see and remove what is there."""

from __future__ import annotations

import click

from zoohub.cli import policing
from zoohub.cli.output import emit, format_option, human_bytes


@click.command()
@click.argument("model")
@click.option(
    "--revision", help="A commit, branch or tag; default: the one the registry names, else the newest."
)
@click.option(
    "--convert", is_flag=True, help="Allow to convert a pickle to safetensors, in a process of its own."
)
@click.option("--include", multiple=True, metavar="PATTERN", help="Only files like this (repeatable).")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No files like this (repeatable).")
@click.option("--trust", metavar="MODEL@REVISION", help="Allow exactly this revision to run code of its own.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be fetched, and what not and why; fetch nothing."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress bar.")
@format_option("table", "json", "jsonl", "csv")
def pull(
    model: str,
    revision: str | None,
    convert: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    trust: str | None,
    dry_run: bool,
    quiet: bool,
    format: str,
) -> None:
    """Fetch a model's files, verified and checked; prints the folder that holds them.

    MODEL is an id as `zoo search` prints it. An interrupted pull goes on where it stopped. Weights in
    safetensors are taken, else ONNX; a pickle is only ever converted, never loaded.
    """
    from zoohub import weights

    if dry_run:
        _print_plan(
            weights.plan(model, revision=revision, include=include, exclude=exclude, trust=trust), format
        )
        return
    policing.enforce(model, "pull")
    folder = weights.pull(model, revision=revision, convert=convert, include=include, exclude=exclude,
                          trust=trust, progress=not quiet)  # fmt: skip
    if format == "table":
        click.echo(folder)
    else:
        emit([{"id": model, "path": str(folder)}], ["id", "path"], format)


def _print_plan(plan: object, format: str) -> None:
    from zoohub.weights import Plan

    assert isinstance(plan, Plan)
    chosen = plan.selection
    groups = (("fetch", [(file, "") for file in chosen.take]),
              ("convert", [(file, "a pickle: --convert, unless pinned") for file in chosen.convert]),
              ("leave", chosen.leave))  # fmt: skip
    rows = [
        {"path": file.path, "size": file.size, "bytes": human_bytes(file.size), "what": what, "why": why}
        for what, files in groups for file, why in files
    ]  # fmt: skip
    emit(rows, ["path", "bytes", "what", "why"], format)
    click.echo(f"{plan.id}@{plan.revision}: {human_bytes(chosen.size)} to fetch, "
               f"{human_bytes(plan.present)} of it here already", err=True)  # fmt: skip


@click.group()
def store() -> None:
    """The models on this machine: list them, remove them, verify them."""


@store.command("list")
@format_option()
def list_models(format: str) -> None:
    """List the models that were pulled, with their size on disk."""
    from zoohub.weights import store as open_store

    rows = [
        {"id": manifest.id, "revision": manifest.revision, "files": len(manifest.files),
         "size": manifest.size, "bytes": human_bytes(manifest.size), "partial": manifest.partial,
         "trusted": manifest.trusted, "path": str(repo.snapshot(manifest.revision))}
        for repo, manifest in open_store().models()
    ]  # fmt: skip
    emit(rows, ["id", "revision", "files", "bytes", "path"], format)


@store.command("rm")
@click.argument("models", nargs=-1, required=True)
def remove(models: tuple[str, ...]) -> None:
    """Remove pulled MODELS from this machine; the registry keeps knowing them."""
    from zoohub.errors import NotPulled
    from zoohub.registry import ModelId
    from zoohub.weights import store as open_store

    repos = [open_store().repo(ModelId.parse(model, folders=False)) for model in models]
    for repo in repos:
        if not repo.folder.is_dir():
            raise NotPulled(f"{repo.model.key} is not on this machine.", "See what is: zoo store list")
    for repo in repos:
        with repo.lock():
            freed = sum(path.stat().st_size for path in repo.blobs.glob("*"))
            repo.remove()
        click.echo(f"{repo.model.key}: {human_bytes(freed)} freed", err=True)


@store.command("verify")
@click.argument("models", nargs=-1)
@click.option("--fix", is_flag=True, help="Remove what is damaged, so that the next pull fetches it again.")
@format_option()
@click.pass_context
def verify(ctx: click.Context, models: tuple[str, ...], fix: bool, format: str) -> None:
    """Read every byte of the pulled MODELS (default: all), compare the digests; exit code 1 on damage."""
    from zoohub.registry import ModelId
    from zoohub.weights import store as open_store

    wanted = {ModelId.parse(model, folders=False).key for model in models}
    rows = []
    for repo, manifest in open_store().models():
        if not wanted or manifest.id in wanted:
            damaged = repo.damaged(manifest)
            if fix:
                for file in damaged:
                    repo.blob(file.sha256).unlink(missing_ok=True)
            rows.append({"id": manifest.id, "revision": manifest.revision, "files": len(manifest.files),
                         "damaged": [file.path for file in damaged], "ok": not damaged})  # fmt: skip
    emit(rows, ["id", "revision", "files", "ok", "damaged"], format)
    if any(not row["ok"] for row in rows):
        ctx.exit(1)
