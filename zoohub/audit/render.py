"""An audit for people: Markdown and HTML."""

from __future__ import annotations

from html import escape

from zoohub.audit.report import AuditReport, Finding, ModelAudit

_SIGNS = {"deny": "✗ deny", "review": "? review", "allow": "✓ allow"}


def markdown(report: AuditReport) -> str:
    """The audit as Markdown: a table of models, then what stands against each."""
    lines = [f"# Model audit: {report.verdict}", "", f"Policy: {_cell(report.policy.name)}", "",
             "| verdict | model | license | through bases | used at |", "|---|---|---|---|---|"]  # fmt: skip
    lines += [f"| {_SIGNS[model.verdict]} | {_cell(model.model)} | {_cell(model.license)} "
              f"| {_cell(', '.join(model.inherited))} | {_cell(_used(model))} |"
              for model in report.models]  # fmt: skip
    for title, findings in _sections(report):
        lines += ["", f"## {_cell(title)}", ""]
        for finding in findings:
            lines.append(
                f"- **{finding.severity}** `{finding.term}` {_cell(finding.what)}. {_cell(finding.why)}"
            )
            lines += [f"  - evidence: {_cell(finding.evidence)}"] if finding.evidence else []
            lines += [f"  - to do: {_cell(finding.fix)}"] if finding.fix else []
    return "\n".join(lines) + "\n"


def html(report: AuditReport) -> str:
    """The audit as one HTML page that needs nothing else."""
    rows = "\n".join(
        f'<tr><td class="{model.verdict}">{_SIGNS[model.verdict]}</td><td>{escape(model.model)}</td>'
        f"<td>{escape(model.license)}</td><td>{escape(', '.join(model.inherited))}</td>"
        f"<td>{escape(_used(model))}</td></tr>"
        for model in report.models
    )
    sections = "\n".join(
        f"<h2>{escape(title)}</h2><ul>{''.join(map(_item, findings))}</ul>"
        for title, findings in _sections(report)
    )
    return _PAGE.format(
        verdict=report.verdict,
        sign=_SIGNS[report.verdict],
        policy=escape(report.policy.name),
        rows=rows,
        sections=sections,
    )


def _sections(report: AuditReport) -> list[tuple[str, tuple[Finding, ...]]]:
    found = [(model.model, model.findings) for model in report.models if model.findings]
    return [*found, ("Code", report.extra)] if report.extra else found


def _item(finding: Finding) -> str:
    evidence = f"<br><small>evidence: {escape(finding.evidence)}</small>" if finding.evidence else ""
    fix = f"<br><small>to do: {escape(finding.fix)}</small>" if finding.fix else ""
    words = f"{escape(finding.what)}. {escape(finding.why)}"
    head = f'<b class="{finding.severity}">{finding.severity}</b> <code>{finding.term}</code>'
    return f"<li>{head} {words}{evidence}{fix}</li>"


def _used(model: ModelAudit) -> str:
    shown = ", ".join(use.where for use in model.uses[:5])
    return f"{shown} and {len(model.uses) - 5} more" if len(model.uses) > 5 else shown


def _cell(text: str) -> str:
    """Text that cannot leave its place in a table or become a tag."""
    flat = " ".join(text.split()).replace("\\", "\\\\")
    for char in "|<>`*[]":
        flat = flat.replace(char, f"\\{char}")
    return flat


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Model audit: {verdict}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color:
#222 }}
table {{ border-collapse: collapse; width: 100% }} td, th {{ border-bottom: 1px solid #ddd; padding: .4rem;
text-align: left }}
.deny {{ color: #b00020 }} .review {{ color: #8a5a00 }} .allow {{ color: #1b6e2e }} small {{ color: #555 }}
</style></head><body>
<h1 class="{verdict}">Model audit: {sign}</h1><p>Policy: {policy}</p>
<table><tr><th>verdict</th><th>model</th><th>license</th><th>through bases</th><th>used at</th></tr>
{rows}
</table>
{sections}
</body></html>
"""
