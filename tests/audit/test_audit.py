"""The audit: lineage counts, evidence is named, nothing unknown passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import zoohub
from zoohub.audit import Auditor, audit, audit_registry, enforce, load_policy, verdict
from zoohub.audit.lineage import excess
from zoohub.audit.policy import Policy, parse
from zoohub.audit.report import ModelAudit
from zoohub.errors import PolicyDenied
from zoohub.registry import BaseModel, LicenseEvidence, ModelRecord, Registry

US = {"commercial": True, "monthly_users": 10, "revenue": 10, "territory": ["US"]}
COMPANY: Policy = parse({"name": "company", "extends": "commercial", "who": US}, "company")


def model(id: str, license: str = "unknown", *bases: str, relation: str | None = "finetune") -> ModelRecord:
    raw = None if license == "unknown" else license
    return ModelRecord(
        id, license=license, license_raw=raw, base_models=tuple(BaseModel(b, relation) for b in bases)
    )


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry.open(catalog=False) as opened:
        yield opened


def audited(registry: Registry, id: str, policy: Policy = COMPANY) -> ModelAudit:
    return audit([id], policy, registry).models[0]


def terms(result: ModelAudit, *severities: str) -> set[str]:
    return {
        finding.term for finding in result.findings if finding.severity in (severities or ("deny", "review"))
    }


def test_a_child_that_claims_more_than_its_base(registry: Registry) -> None:
    registry.add(
        [
            model("meta-llama/Llama-3.2-1B", "llama3.2"),
            model("me/Chatty", "apache-2.0", "meta-llama/Llama-3.2-1B"),
        ]
    )
    result = audited(registry, "me/Chatty")
    assert terms(result) == {"claims-more", "name_prefix"}
    finding = next(finding for finding in result.findings if finding.term == "claims-more")
    assert "me/Chatty <- finetune - meta-llama/Llama-3.2-1B" in finding.evidence
    assert "declared: llama3.2" in finding.evidence
    assert finding.fix


def test_a_child_that_keeps_the_terms_and_the_name(registry: Registry) -> None:
    registry.add(
        [
            model("meta-llama/Llama-3.2-1B", "llama3.2"),
            model("me/Llama-Chatty", "llama3.2", "meta-llama/Llama-3.2-1B"),
        ]
    )
    assert terms(audited(registry, "me/Llama-Chatty")) == set()


def test_differences_are_judged_by_terms_not_by_names(registry: Registry) -> None:
    registry.add([model("a/base", "apache-2.0"), model("a/child", "mit", "a/base")])
    result = audited(registry, "a/child")
    assert result.verdict == "allow"
    assert "claims-other" in terms(result, "allow")
    assert excess("mit", "apache-2.0") == ()
    assert excess("apache-2.0", "cc-by-nc-4.0") != ()
    assert excess("unknown", "cc-by-nc-4.0") == ()


@pytest.mark.parametrize("relation", ["finetune", "adapter", "quantized", "merge", None])
def test_the_terms_of_a_base_flow(registry: Registry, relation: str | None) -> None:
    registry.add([model("a/nc", "cc-by-nc-4.0"), model("a/mid", "mit", "a/nc", relation=relation),
                  model("a/leaf", "mit", "a/mid", relation=relation)])  # fmt: skip
    result = audited(registry, "a/leaf")
    assert result.verdict == "deny"
    assert {"forbidden", "claims-more"} <= terms(result)
    assert ("relation-unknown" in terms(result, "allow")) == (relation is None)


def test_distillation_flows_where_the_license_says_so(registry: Registry) -> None:
    registry.add([
        model("a/free", "apache-2.0"), model("a/d1", "mit", "a/free", relation="distilled"),
        model("meta-llama/Llama-3.1-8B", "llama3.1"),
        model("a/d2", "mit", "meta-llama/Llama-3.1-8B", relation="distilled"),
        model("a/nobody-knows"), model("a/d3", "mit", "a/nobody-knows", relation="distilled"),
    ])  # fmt: skip
    assert audited(registry, "a/d1").inherited == ()
    assert audited(registry, "a/d2").inherited == ("llama3.1",)
    assert "base-unknown" in terms(audited(registry, "a/d3"))


EUROPE: Policy = parse({"name": "eu", "who": {**US, "territory": ["DE"]}, "what": ["use", "serve"]}, "eu")


def test_what_binds_multimodal_models_is_left_out_for_text_and_reviewed_where_unknown(
    registry: Registry,
) -> None:
    def llama(id: str, task: str | None, *bases: str, license: str = "llama3.2") -> ModelRecord:
        return replace(model(id, license, *bases), task=task, tasks=(task,) if task else ())

    expected = {
        "meta/Llama-text": None, "meta/Llama-seeing": "deny", "meta/Llama-something": "review",
        "me/Llama-from-text": None, "me/Llama-from-seeing": "deny", "me/Llama-mit-from-text": None,
        "me/Llama-mit-from-seeing": "deny", "me/Llama-3-Vision-gguf": "review", "me/Llama-from-something": "review",
    }  # fmt: skip
    registry.add([
        llama("meta/Llama-text", "text-generation"), llama("meta/Llama-seeing", "image-text-to-text"),
        llama("meta/Llama-something", None), llama("me/Llama-3-Vision-gguf", "text-generation"),
        llama("me/Llama-from-text", "text-classification", "meta/Llama-text"),
        llama("me/Llama-from-seeing", "text-generation", "meta/Llama-seeing"),
        llama("me/Llama-from-something", "text-generation", "meta/Llama-something"),
        llama("me/Llama-mit-from-text", "text-generation", "meta/Llama-text", license="mit"),
        llama("me/Llama-mit-from-seeing", "text-generation", "meta/Llama-seeing", license="mit"),
    ])  # fmt: skip
    whole = {name: (judged, set(stands)) for name, judged, stands in audit_registry(registry, EUROPE)}
    for id, severity in expected.items():
        result = audited(registry, id, EUROPE)
        found = [finding.severity for finding in result.findings if finding.term == "territory"]
        assert found == ([severity] if severity else []), id
        assert whole[id.lower()] == (result.verdict, terms(result)), id
    assert audited(registry, "me/Llama-mit-from-text", EUROPE).inherited == ("llama3.2",)
    assert verdict(registry.get("meta/Llama-text"), EUROPE) != "deny"
    assert verdict(registry.get("meta/Llama-seeing"), EUROPE) == "deny"


def test_a_merge_takes_the_union_and_share_alike_conflicts(registry: Registry) -> None:
    registry.add([model("a/sa", "cc-by-nc-sa-4.0"), model("a/gpl", "gpl-3.0"),
                  model("a/merged", "unknown", "a/sa", "a/gpl", relation="merge")])  # fmt: skip
    result = audited(registry, "a/merged")
    assert set(result.inherited) == {"cc-by-nc-sa-4.0", "gpl-3.0"}
    assert {"conflict", "forbidden", "license-unknown"} <= terms(result)


def test_a_base_in_no_registry_is_unknown(registry: Registry) -> None:
    registry.add([model("a/child", "mit", "gone/base")])
    result = audited(registry, "a/child")
    assert result.verdict == "review"
    assert terms(result) == {"base-unknown"}


def test_what_only_others_state_is_second_hand(registry: Registry) -> None:
    told = LicenseEvidence("origin", "mteb/models.py", "mit")
    registry.add([
        replace(model("a/told", "mit"), license_evidence=(told,)),
        replace(model("mteb/own", "mit"), author="mteb", license_evidence=(told,)),
        replace(model("a/card", "mit"), license_evidence=(told, LicenseEvidence("card", "README.md", "mit"))),
    ])  # fmt: skip
    result = audited(registry, "a/told")
    assert result.verdict == "allow"
    (note,) = [finding for finding in result.findings if finding.term == "second-hand"]
    assert "mteb/models.py" in note.evidence
    rule = {"term": "second-hand", "severity": "review", "reason": "see the cards"}
    policy = parse({"name": "strict", "extends": "commercial", "who": US, "rules": [rule]}, "strict")
    assert audited(registry, "a/told", policy).verdict == "review"
    assert audited(registry, "mteb/own", policy).verdict == "allow"
    assert audited(registry, "a/card", policy).verdict == "allow"
    assert dict(audit_registry(registry, policy).verdicts) == {"review": 1, "allow": 2}


def test_a_model_in_no_registry_is_not_allowed(registry: Registry) -> None:
    assert terms(audited(registry, "no/where")) == {"model-unknown"}
    assert terms(audited(registry, "what is this?")) == {"model-unknown"}


def test_circles_are_survived_and_told(registry: Registry) -> None:
    registry.add([model("a/x", "mit", "a/y"), model("a/y", "cc-by-nc-4.0", "a/z"), model("a/z", "mit", "a/x"),
                  model("a/self", "mit", "a/self"), model("a/leaf", "mit", "a/x")])  # fmt: skip
    assert {"lineage-cycle", "forbidden"} <= terms(audited(registry, "a/x"))
    assert "lineage-cycle" in terms(audited(registry, "a/self"))
    assert terms(audited(registry, "a/leaf")) == {"forbidden", "claims-more"}
    found = {name: (judged, set(stands)) for name, judged, stands in audit_registry(registry, COMPANY)}
    assert found["a/leaf"] == ("deny", {"forbidden", "claims-more"})
    assert "lineage-cycle" in found["a/z"][1]
    assert "lineage-cycle" not in found["a/leaf"][1]


def test_a_chain_of_ten_thousand(registry: Registry) -> None:
    chain = [model("a/m0", "cc-by-nc-4.0")]
    chain += [model(f"a/m{n}", "mit", f"a/m{n - 1}") for n in range(1, 10_001)]
    registry.add(chain)
    result = audited(registry, "a/m10000")
    assert result.inherited == ("cc-by-nc-4.0", "mit")
    assert result.verdict == "deny"
    assert audit_registry(registry, COMPANY).verdicts == {"deny": 10_001}


def test_whole_registry_and_single_audit_agree(registry: Registry) -> None:
    licenses = ["mit", "llama3.2", "gpl-3.0", "unknown", "cc-by-nc-4.0", "gemma", "cc-by-sa-4.0"]
    records = [model(f"a/m{n}", licenses[n % 7], *({f"a/m{n // 2}", f"a/m{n // 3}"} if n > 3 else ()),
                     relation=[*("finetune", "merge", "distilled"),
                         None][n % 4]) for n in range(200)]  # fmt: skip
    registry.add(records)
    auditor = Auditor(COMPANY, registry)
    for name, judged, stands in audit_registry(registry, COMPANY):
        single = auditor.model(name)
        assert (judged, set(stands)) == (single.verdict, terms(single)), name


def test_evidence_is_what_the_record_states(registry: Registry) -> None:
    evidence = (LicenseEvidence("file", "LICENSE", "cc-by-nc-4.0"),)
    registry.add([ModelRecord("a/b", license="cc-by-nc-4.0", license_evidence=evidence)])
    assert all(
        finding.evidence == "file LICENSE: cc-by-nc-4.0" for finding in audited(registry, "a/b").findings
    )


def test_rules_and_waivers(registry: Registry) -> None:
    registry.add([model("a/nc", "cc-by-nc-4.0"), model("a/unknown"), model("a/free", "mit")])
    waiver = {"owner": "Jo", "until": "2030-06-30", "reason": "asked the author"}
    policy = parse({
        "name": "p",
        "rules": [{"model": "a/nc", "severity": "allow", "reason": "we have a contract"},
                  {"model": "*/free", "severity": "deny", "reason": "not that one"}],
        "waivers": [{"model": "a/unknown", **waiver}],
    }, "p")  # fmt: skip
    assert audited(registry, "a/nc", policy).verdict == "allow"
    assert audited(registry, "a/free", policy).verdict == "deny"
    holds = audit(["a/unknown"], policy, registry, today=date(2030, 6, 30))
    assert holds.verdict == "allow"
    assert "Waived by Jo until 2030-06-30" in holds.findings[0].why
    ended = audit(["a/unknown"], policy, registry, today=date(2030, 7, 1))
    assert {finding.term for finding in ended.findings} == {"license-unknown", "waiver-expired"}
    assert ended.verdict == "review"
    assert audit_registry(registry, policy).verdicts["deny"] == 1


def test_words_that_are_no_known_license_are_quoted(registry: Registry) -> None:
    named = replace(model("a/own-words"), license_raw="other", license_name="research only, ask us")
    registry.add([named, model("a/unknown")])
    (finding,) = audited(registry, "a/own-words").findings
    assert (finding.term, finding.severity) == ("license-unknown", "review")
    assert "'research only, ask us'" in finding.what
    (silent,) = audited(registry, "a/unknown").findings
    assert silent.what == "no license is known"


@pytest.mark.parametrize("pattern", ["a/*", "a/unknown"])
def test_an_allow_rule_leaves_the_unknown_and_a_waiver_passes_it(registry: Registry, pattern: str) -> None:
    registry.add(
        [model("a/unknown"), model("a/child", "cc-by-nc-4.0", "gone/base"), model("a/nc", "cc-by-nc-4.0")]
    )
    rule = {"model": pattern, "severity": "allow", "reason": "ours"}
    waiver = {"model": "a/*", "owner": "Jo", "until": "2030-06-30", "reason": "asked"}
    ruled = parse({"name": "ruled", "rules": [rule]}, "ruled")
    waived = parse({"name": "waived", "rules": [rule], "waivers": [waiver]}, "waived")
    assert (audited(registry, "a/unknown", ruled).verdict, terms(audited(registry, "a/unknown", ruled))) == (
        "review",
        {"license-unknown"},
    )
    assert terms(audited(registry, "a/nowhere-at-all", ruled)) == {"model-unknown"}
    if pattern == "a/*":
        assert terms(audited(registry, "a/child", ruled)) == {"base-unknown"}
        assert audited(registry, "a/nc", ruled).verdict == "allow"
    whole = {name: judged for name, judged, _ in audit_registry(registry, ruled)}
    assert whole == {name: audited(registry, name, ruled).verdict for name in whole}
    for each in ("a/unknown", "a/child", "a/nc"):
        assert audit([each], waived, registry, today=date(2030, 6, 30)).verdict == "allow"


def test_in_the_flow(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.add([model("a/nc", "cc-by-nc-4.0"), model("a/unknown"), model("a/free", "mit")])
    assert enforce("a/nc", "pull", registry) == ()  # no policy is in force
    monkeypatch.setenv("ZOO_POLICY", "commercial")
    with pytest.raises(PolicyDenied, match="zoo audit a/nc") as caught:
        enforce("a/nc", "finetune", registry)
    assert caught.value.findings
    assert [finding.term for finding in enforce("a/unknown", "pull", registry)] == ["license-unknown"]
    assert enforce("a/free", "pull", registry) == ()


def test_records_with_a_config_can_be_audited(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = ModelRecord("a/free", license="mit", license_raw="mit", config={"hidden_size": 8})
    closed = ModelRecord("a/nc", license="cc-by-nc-4.0", license_raw="cc-by-nc-4.0", config={"layers": [1]})
    report = audit([free, closed, free], COMPANY, registry)
    assert [(each.model, each.verdict) for each in report.models] == [("a/free", "allow"), ("a/nc", "deny")]
    (tmp_path / "app.py").write_text(
        "from transformers import AutoModel\nAutoModel.from_pretrained('a/nc')\n"
    )
    used = audit([closed], COMPANY, registry, code=tmp_path).models
    assert [(each.model, len(each.uses)) for each in used] == [("a/nc", 1)]
    monkeypatch.setenv("ZOO_POLICY", "commercial")
    assert enforce(free, "pull", registry) == ()
    with pytest.raises(PolicyDenied, match="a/nc"):
        enforce(closed, "finetune", registry)


def test_records_of_one_id_that_differ_are_both_judged(registry: Registry) -> None:
    report = audit([model("a/b", "mit"), model("a/b", "cc-by-nc-4.0")], COMPANY, registry)
    assert [each.verdict for each in report.models] == ["allow", "deny"]


def test_a_verdict_at_a_glance(registry: Registry) -> None:
    assert verdict(model("a/b", "mit"), "commercial") == "allow"
    assert verdict(model("a/b", "mit", "a/nobody"), "commercial") == "review"
    assert verdict(model("a/b", "cc-by-nc-4.0"), "commercial") == "deny"


def test_the_name_at_the_top_can_be_called(registry: Registry) -> None:
    registry.add([model("a/free", "mit")])
    assert zoohub.audit(["a/free"], "commercial", registry).verdict == "allow"


def test_one_model_takes_less_than_50_ms(registry: Registry) -> None:
    registry.add([model("a/base", "llama3.2"), *(model(f"a/m{n}", "mit", "a/base") for n in range(50))])
    auditor = Auditor(load_policy("commercial"), registry)
    auditor.model("a/m0")
    start = time.perf_counter()
    for n in range(50):
        auditor.model(f"a/m{n}")
    assert (time.perf_counter() - start) / 50 < 0.05
