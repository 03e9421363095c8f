"""zoo audit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from zoohub.cli.output import emit, format_option
from zoohub.errors import UsageError

if TYPE_CHECKING:
    from zoohub.audit.report import AuditReport, Finding
    from zoohub.audit.whole import RegistryAudit

_FORMATS = ("table", "json", "sarif", "cyclonedx", "spdx", "markdown", "html")


@click.command()
@click.argument("models", nargs=-1, metavar="MODEL...")
@click.option("--all", "whole", is_flag=True, help="Every model of the registry.")
@click.option(
    "--code", type=click.Path(exists=True), metavar="PATH", help="Also the models that the code at PATH uses."
)
@click.option(
    "--policy", metavar="NAME", help="commercial, research, permissive-only or a file; else the one in force."
)
@click.option("--strict", is_flag=True, help="Exit with 1 on review too.")
@click.option("--notes", is_flag=True, help="In the table, also the duties of what is allowed.")
@click.option(
    "--spec",
    type=click.Choice(["1.6", "1.7"]),
    default="1.6",
    show_default=True,
    help="Version of CycloneDX.",
)
@format_option(*_FORMATS)
@click.pass_context
def audit(
    context: click.Context, models: tuple[str, ...], whole: bool, code: str | None, policy: str | None,
    strict: bool, notes: bool, spec: str, format: str,
) -> None:  # fmt: skip
    """May we use it? Judge models, a registry or the models that code uses under a policy.

    Each finding says what, why with the clause, the evidence, and how to mend it. The terms of base models
    flow to what was
    made from them. Exit code: 0 allowed or to be reviewed, 1 denied (with --strict also to be reviewed), 2 a
    wrong request.
    """
    if whole:
        if models or code:
            raise UsageError("--all goes with no model and no --code.", "Run: zoo audit --all")
        verdict = _whole(policy, format)
    elif not models and code is None:
        raise UsageError("Nothing to audit.", "Name models, --code PATH or --all.")
    else:
        from zoohub.audit import audit as judge

        report = judge(models, policy, code=code)
        _print(report, format, notes, spec)
        verdict = report.verdict
    context.exit(1 if verdict == "deny" or (strict and verdict == "review") else 0)


def _print(report: AuditReport, format: str, notes: bool, spec: str) -> None:
    if format == "table":
        _table(report, notes)
    elif format == "markdown":
        from zoohub.audit.render import markdown

        click.echo(markdown(report), nl=False)
    elif format == "html":
        from zoohub.audit.render import html

        click.echo(html(report), nl=False)
    else:
        click.echo(json.dumps(_document(report, format, spec), ensure_ascii=False, indent=2))


def _document(report: AuditReport, format: str, spec: str) -> dict[str, Any]:
    if format == "sarif":
        from zoohub.audit.sarif import sarif

        return sarif(report)
    if format == "cyclonedx":
        from zoohub.audit.cyclonedx_bom import cyclonedx

        return cyclonedx(report, spec)
    if format == "spdx":
        from zoohub.audit.spdx_bom import spdx

        return spdx(report)
    return report.to_dict()


def _table(report: AuditReport, notes: bool) -> None:
    rows = [{"verdict": model.verdict, "model": model.model, "license": model.license,
             "through_bases": " ".join(model.inherited), "used_at": model.uses[0].where if model.uses else ""}
            for model in report.models]  # fmt: skip
    columns = ["verdict", "model", "license", "through_bases", "used_at"]
    emit(rows, columns if any(row["used_at"] for row in rows) else columns[:-1], "table")
    shown = [finding for finding in report.findings if notes or finding.severity != "allow"]
    for finding in shown:
        click.echo("\n" + _words(finding))
    click.echo(f"\nVerdict under policy {report.policy.name}: {report.verdict}")
    told = sum(finding.term == "second-hand" for finding in report.findings)
    if told:
        click.echo(
            f"Of {told} only others state the license, not the model's own card: see --notes.", err=True
        )
    if report.code.files:
        click.echo(f"Code: {report.code.files:,} files, {len(report.code.models)} models, "
                   f"{len(report.code.unresolved)} uses that name none", err=True)  # fmt: skip


def _words(finding: Finding) -> str:
    from zoohub.cli.output import printable

    lines = [
        f"{finding.severity:7}{finding.model}: {finding.what}  [{finding.term}]",
        f"why      {finding.why}",
    ]
    lines += [f"evidence {finding.evidence}"] if finding.evidence else []
    lines += [f"to do    {finding.fix}"] if finding.fix else []
    return "\n".join(
        printable(line) if at == 0 else f"       {printable(line)}" for at, line in enumerate(lines)
    )


def _whole(policy: str | None, format: str) -> str:
    from zoohub.audit import audit_registry
    from zoohub.registry import Registry

    if format not in ("table", "json"):
        raise UsageError(
            f"--all is printed as table or json, not {format}.", "Name models for the other formats."
        )
    with Registry.open() as registry:
        result = audit_registry(registry, policy)
        if format == "json":
            _all_as_json(result)
        else:
            _summary(result)
        return result.verdict


def _all_as_json(result: RegistryAudit) -> None:
    """One document, written model by model."""
    head = {
        "policy": result.policy.name,
        "verdict": result.verdict,
        "verdicts": result.verdicts,
        "terms": result.terms,
    }
    click.echo(json.dumps(head)[:-1] + ', "models": [')
    comma = ""
    for model, verdict, terms in result:
        click.echo(comma + json.dumps({"model": model, "verdict": verdict, "terms": terms}), nl=False)
        comma = ",\n"
    click.echo("\n]}")


def _summary(result: RegistryAudit) -> None:
    verdicts = [
        {"verdict": name, "models": result.verdicts.get(name, 0)} for name in ("deny", "review", "allow")
    ]
    emit(verdicts, ("verdict", "models"), "table")
    click.echo()
    emit(
        [{"finding": term, "models": count} for term, count in result.terms.most_common()],
        ("finding", "models"),
        "table",
    )
    click.echo(
        f"\n{len(result):,} models under policy {result.policy.name}. One of them: zoo audit MODEL", err=True
    )
