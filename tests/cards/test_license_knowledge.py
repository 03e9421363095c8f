"""The license knowledge base: its schema, its compiled form, and facts that matter."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest

from zoohub.cards.licenses import (
    CONDITIONS,
    OPERATIONS,
    all_licenses,
    build,
    combined,
    get,
    group_members,
    in_group,
    resolve,
    spdx,
)
from zoohub.errors import UnknownLicense

ENTRIES = build.entries()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_entry_keeps_to_the_schema(entry: dict) -> None:
    jsonschema.Draft202012Validator(build.SCHEMA).validate(entry)


@pytest.mark.parametrize(
    "broken", [{"id": "X Y"}, {"kind": "nice"}, {"sources": []}, {"surprise": 1}, {"released": "May"}]
)
def test_schema_refuses(broken: dict) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(build.SCHEMA).validate({**ENTRIES[0], **broken})


def test_compiled_form_is_fresh() -> None:
    assert build.TARGET.read_text(encoding="utf-8") == build.render(), "run: python scripts/licenses.py"


def test_at_least_ninety_licenses_with_known_facts() -> None:
    known = [entry for entry in all_licenses() if entry.known and entry.kind not in ("family", "unknown")]
    assert len(known) >= 90, len(known)


def test_every_fact_has_a_clause_and_every_license_a_source() -> None:
    for entry in all_licenses():
        assert entry.sources, entry.id
        assert set(entry.facts) == set(OPERATIONS)
        assert all(
            fact.clause and fact.answer in ("yes", "no", "unknown") for fact in entry.facts.values()
        ), entry.id
        assert all(condition.clause and condition.kind in CONDITIONS for condition in entry.conditions), (
            entry.id
        )


def test_nothing_is_known_where_no_text_was_read() -> None:
    for entry in all_licenses():
        if entry.text == "none" and not entry.versions:
            assert not entry.known, entry.id
            assert not entry.conditions, entry.id
            assert not any(in_group(entry.id, group) for group in ("commercial", "permissive")), entry.id


def test_a_threshold_says_how_much_of_what_and_when() -> None:
    for entry in all_licenses():
        for condition in entry.conditions:
            if condition.kind.endswith("_threshold"):
                assert all((condition.amount, condition.unit, condition.period, condition.above)), entry.id
                assert condition.counted in ("at release", "at any time"), entry.id
            if condition.kind == "territory":
                assert condition.places, entry.id


def test_versions_of_a_family_share_an_answer_or_it_is_unknown() -> None:
    for entry in all_licenses():
        for operation in OPERATIONS if entry.versions else ():
            answers = {get(version).answer(operation) for version in entry.versions}
            assert entry.answer(operation) == (answers.pop() if len(answers) == 1 else "unknown")


def test_permissive_is_narrower_than_commercial() -> None:
    assert group_members("permissive") < group_members("commercial")
    for id in group_members("permissive"):
        assert all(get(id).answer(operation) == "yes" for operation in OPERATIONS)


@pytest.mark.parametrize(
    ("id", "operation", "answer"),
    [
        ("apache-2.0", "commercial", "yes"),
        ("llama2", "train_on_outputs", "no"),
        ("llama3", "train_on_outputs", "no"),  # 3.0 forbids what 3.1 allows
        ("llama3.1", "train_on_outputs", "yes"),
        ("qwen", "train_on_outputs", "unknown"),  # 2023 forbids, 2024 allows
        ("qwen", "commercial", "yes"),
        ("qwen-research", "commercial", "no"),
        ("cc-by-nc-4.0", "commercial", "no"),
        ("cc-by-nd-3.0", "modify", "no"),
        ("cc-by-nd-4.0", "modify", "yes"),
        ("stability-nc-2023", "serve", "no"),
        ("flux-1-dev-nc", "distill", "no"),
        ("elastic-2.0", "serve", "no"),
        ("openrail", "use", "unknown"),
        ("unknown", "use", "unknown"),
        ("all-rights-reserved", "use", "no"),
    ],
)  # fmt: skip
def test_facts(id: str, operation: str, answer: str) -> None:
    assert get(id).answer(operation) == answer


def test_thresholds_tell_release_from_any_time() -> None:
    assert get("llama3.1").condition("user_threshold").counted == "at release"
    assert get("qwen-2024").condition("user_threshold").counted == "at any time"
    assert get("llama3.1").condition("user_threshold").amount == 700_000_000


def test_the_european_clause_of_llama() -> None:
    assert get("llama3.1").condition("territory") is None
    for id in ("llama3.2", "llama3.3", "llama4"):
        assert get(id).condition("territory").places == ("EU",)
        # every Llama 4 model is multimodal, so there the clause binds all, whatever task a card states
        assert get(id).condition("territory").only == (None if id == "llama4" else "multimodal")


def test_groups() -> None:
    assert in_group("mit", "commercial")
    assert in_group("mit", "permissive")
    assert in_group("llama3.2", "commercial")
    assert not in_group("llama3.2", "permissive")
    assert not in_group("stability-community", "commercial")  # ends with the user's own revenue
    assert not in_group("kolors", "commercial")  # needs a registration
    assert not in_group("unknown", "commercial")
    assert not in_group("no-such", "commercial")
    with pytest.raises(UnknownLicense):
        in_group("mit", "nice")


def test_look_up() -> None:
    assert (
        resolve("Apache-2.0").id
        == resolve("apache2").id
        == resolve("The Apache License, Version 2.0").id
        == "apache-2.0"
    )
    assert resolve("GPL-3.0-or-later").id == "gpl-3.0"
    with pytest.raises(UnknownLicense) as error:
        resolve("apach-2.0-beta")
    assert "apache-2.0" in error.value.near
    with pytest.raises(UnknownLicense):
        get("Apache-2.0")
    with pytest.raises(ValueError, match="no operation"):
        get("mit").answer("sell")


def test_expressions_are_answered_with_three_values() -> None:
    both = combined("apache-2.0 AND cc-by-nc-4.0")
    assert (both.answer("commercial"), both.answer("use"), both.answer("distill")) == ("no", "yes", "unknown")
    either = combined("mit OR cc-by-nc-4.0")
    assert (either.answer("commercial"), either.answer("distill")) == ("yes", "yes")
    nested = combined("(mit OR gpl-3.0) AND gemma")
    assert nested.answer("commercial") == "yes"
    assert nested.condition("flow_down")
    assert combined("mit AND unknown").answer("use") == "unknown"
    assert spdx("apache-2.0 AND gemma-2024-04") == "Apache-2.0 AND LicenseRef-gemma-2024-04"
    with pytest.raises(ValueError, match="no license expression"):
        combined("mit AND")


def test_import_is_cheap() -> None:
    code = (
        "import time, dataclasses, json, pathlib\nimport zoohub.errors\nstart = time.process_time()\n"
        "from zoohub.cards.licenses import get, in_group\n"
        "in_group('mit', 'commercial')\nget('llama3.1').answer('use')\n"
        "import sys, json\nprint(json.dumps([(time.process_time() - start) * 1000, sorted(sys.modules)]))"
    )
    runs = [
        json.loads(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        )
        for _ in range(5)
    ]
    assert min(run[0] for run in runs) < 25  # measured 7 ms; the bound leaves room for a slow machine
    assert not {"yaml", "license_expression", "jinja2"} & set(runs[0][1])


def test_entries_that_contradict_are_refused(tmp_path) -> None:
    def check(text: str, reason: str) -> None:
        (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(build.EntryProblem, match=reason):
            build.compiled(tmp_path)

    base = "- {id: a, name: A, kind: permissive, sources: [x]}\n"
    check(base * 2, "stands twice")
    check(base + "- {id: b, name: B, kind: permissive, sources: [x], aliases: [a]}", "already means")
    check("- {id: c, name: C, kind: family, sources: [x], versions: [nope]}", "no such version")
    check(
        "- {id: d, name: D, kind: permissive, sources: [x],"
        " terms: [{yes: [use], clause: '1'}, {no: [use], clause: '2'}]}",
        "two answers",
    )
