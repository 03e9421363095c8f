"""Bills of materials and SARIF: valid, and with what an auditor looks for inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoohub.audit import AuditReport, audit
from zoohub.audit.cyclonedx_bom import cyclonedx
from zoohub.audit.sarif import sarif
from zoohub.audit.spdx_bom import spdx
from zoohub.registry import BaseModel, Metric, ModelFile, ModelRecord, Registry

SHA = "a" * 64
# The schema of the standard, as Microsoft's SARIF Multitool 5.7.0 (MIT) brings it.
SARIF = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text())


@pytest.fixture
def report(tmp_path: Path) -> Iterator[AuditReport]:
    (tmp_path / "my app.py").write_text(
        "from transformers import "
        "AutoModel\nAutoModel.from_pretrained('me/child')\nAutoModel.from_pretrained(x)\n"
    )
    with Registry.open(catalog=False) as registry:
        registry.add([
            ModelRecord("meta-llama/Llama-3.2-1B", license="llama3.2", license_raw="llama3.2",
                revision="4e20de362430"),
            ModelRecord(
                "me/child", license="apache-2.0", license_raw="apache-2.0", author="me",
                    task="text-generation",
                description="A <child> & more", datasets=("stanfordnlp/imdb",), base_models=(
                    BaseModel("meta-llama/Llama-3.2-1B", "finetune"), BaseModel("gone/base", None)),
                files=(ModelFile("model.safetensors", 10, SHA),),
                    config={"architectures": ["LlamaForCausalLM"]},
                metrics=(Metric("accuracy", 0.91, "text-classification", "imdb"),),
            ),
            ModelRecord("a/unknown"), ModelRecord("pypi:some-weights", source="pypi", license="mit"),
            ModelRecord("a/both", license="mit AND apache-2.0"),
        ])  # fmt: skip
        models = ["a/unknown", "meta-llama/Llama-3.2-1B", "pypi:some-weights", "a/both", "no/where"]
        yield audit(models, "commercial", registry, code=tmp_path)


@pytest.mark.parametrize("spec", ["1.6", "1.7"])
def test_cyclonedx_is_valid_and_complete(report: AuditReport, spec: str) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    document = cyclonedx(report, spec)
    validator = JsonStrictValidator(SchemaVersion.from_version(spec))
    assert validator.validate_str(json.dumps(document)) is None
    broken = json.loads(json.dumps(document))
    broken["components"][0]["modelCard"] = {"nonsense": 1}
    assert validator.validate_str(json.dumps(broken)) is not None
    components = {component["bom-ref"]: component for component in document["components"]}
    child = components["me/child"]
    assert child["modelCard"]["modelParameters"]["task"] == "text-generation"
    assert child["modelCard"]["modelParameters"]["datasets"][0]["name"] == "stanfordnlp/imdb"
    assert child["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["value"] == "0.91"
    assert child["components"][0]["hashes"] == [{"alg": "SHA-256", "content": SHA}]
    assert child["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert child["evidence"]["occurrences"] == [{"location": "my app.py", "line": 2}]
    assert [each["name"] for each in child["pedigree"]["ancestors"]] == ["Llama-3.2-1B", "base"]
    assert (
        components["meta-llama/Llama-3.2-1B"]["purl"]
        == "pkg:huggingface/meta-llama/Llama-3.2-1B@4e20de362430"
    )
    assert components["a/both"]["licenses"] == [{"expression": "MIT AND Apache-2.0"}]
    assert "licenses" not in components["a/unknown"]
    assert any("[claims-more]" in each["text"] for each in document["annotations"])


def test_spdx_is_read_back_by_the_official_bindings(report: AuditReport) -> None:
    import spdx_python_model

    document = spdx(report)
    model, objects = spdx_python_model.load_data(document)
    packages = {each.name: each for each in objects.foreach_type(model.ai_AIPackage)}
    assert {"me/child", "meta-llama/Llama-3.2-1B", "gone/base", "a/unknown"} <= set(packages)
    assert list(packages["me/child"].ai_typeOfModel) == ["LlamaForCausalLM"]
    assert {each.key: each.value for each in packages["me/child"].ai_metric} == {
        "text-classification / imdb / accuracy": "0.91"
    }
    kinds = {
        str(each.relationshipType).rpartition("/")[2] for each in objects.foreach_type(model.Relationship)
    }
    assert kinds == {"descendantOf", "trainedOn", "contains", "hasDeclaredLicense"}
    hashes = [each.verifiedUsing[0].hashValue for each in objects.foreach_type(model.software_File)]
    assert hashes == [SHA]
    statements = [each.statement for each in objects.foreach_type(model.Annotation)]
    assert any("[claims-more] review" in statement for statement in statements)


def test_sarif_is_valid_and_points_at_the_line(report: AuditReport) -> None:
    import jsonschema

    document = json.loads(json.dumps(sarif(report)))
    validator = jsonschema.Draft202012Validator(SARIF)
    validator.validate(document)
    broken = json.loads(json.dumps(document))
    broken["runs"][0]["results"][0]["lokations"] = []
    assert not validator.is_valid(broken)
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    places = {}
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        places.setdefault(result["ruleId"], (place["artifactLocation"]["uri"], place["region"]["startLine"]))
    assert places["claims-more"] == ("my%20app.py", 2)
    assert places["model-unresolved"] == ("my%20app.py", 3)
    prints = [json.dumps(result["partialFingerprints"]) for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_a_report_prints_as_a_person_reads_it(report: AuditReport) -> None:
    assert (
        repr(report)
        == f"<AuditReport under {report.policy.name}: {report.verdict}, models {len(report.models)}>"
    )
    assert str(report).startswith(f"# Model audit: {report.verdict}\n")
    assert "me/child" in str(report)
