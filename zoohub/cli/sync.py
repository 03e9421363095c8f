"""`zoo sync`: bring models of a hub, a cache, a folder or a file into the registry."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoohub.cli.output import format_option

if TYPE_CHECKING:
    from zoohub.registry.sync import Progress, SyncReport

SHOWN = 10


@click.command()
@click.argument(
    "source", type=click.Choice(["hub", "modelscope", "cache", "folder", "catalog"]), required=False
)
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from", "file", type=click.Path(path_type=Path), help="A catalog that others published as a file."
)
@click.option("--task", "tasks", multiple=True, help="Only models of this task (may be repeated).")
@click.option("--author", "authors", multiple=True, help="Only models of this author (may be repeated).")
@click.option(
    "--min-downloads", type=click.IntRange(min=0), help="Only models with at least so many downloads."
)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many models.")
@click.option("--full", is_flag=True, help="List a hub from end to end: renew downloads, note what vanished.")
@click.option(
    "--refused", type=click.Path(path_type=Path), help="Write all refused records to this file (JSON lines)."
)
@format_option("table", "json")
def sync(
    source: str | None, path: Path | None, file: Path | None, tasks: tuple[str, ...],
    authors: tuple[str, ...], min_downloads: int | None, limit: int | None, full: bool,
    refused: Path | None, format: str,
) -> None:  # fmt: skip
    """Bring models of SOURCE into the registry.

    SOURCE is hub (the one that HF_ENDPOINT names), modelscope, cache (what lies in the Hugging Face and
    ModelScope caches of this machine), folder PATH (a tree of models) or catalog (the bundled one, after an
    upgrade). With --from FILE a published catalog is read: a dump of the Hub, an Open Model Zoo tree, an ONNX
    hub manifest, a timm results table.

    A second sync brings only what changed; an interrupted one goes on where it was stopped.
    """
    from zoohub.registry.sync import sync as run

    if (source is None) == (file is None):
        raise click.UsageError("Name a source (hub, modelscope, cache, folder PATH, catalog) or --from FILE.")
    with _bar() as progress:
        report = run(
            source or "file", path or file, tasks=tasks, authors=authors,
            min_downloads=min_downloads, limit=limit, full=full, progress=progress,
        )  # fmt: skip
    if refused is not None:
        lines = (
            json.dumps({"id": item.id, "reason": item.reason}, ensure_ascii=False) for item in report.refused
        )
        refused.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    _tell(report, format)


def _tell(report: SyncReport, format: str) -> None:
    if format == "json":
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
        return
    counts = f"{report.new} new, {report.changed} changed, {report.unchanged} unchanged"
    click.echo(f"{report.source}: {counts}, {report.gone} gone, {report.refusals} refused")
    for item in report.refused[:SHOWN]:
        click.echo(f"  refused {item.id}: {item.reason}", err=True)
    if report.refusals > SHOWN:
        click.echo(f"  and {report.refusals - SHOWN} more (all of them: --refused FILE)", err=True)


class _bar:  # noqa: N801 - used as a function
    """A progress bar on stderr, where that is a terminal."""

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        self._bar = tqdm(unit=" models", disable=not sys.stderr.isatty(), leave=False)

        def advance(seen: int, total: int | None) -> None:
            self._bar.total = total
            self._bar.update(seen - self._bar.n)

        return advance

    def __exit__(self, *_: object) -> None:
        self._bar.close()
