"""Policies: what they say, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from zoohub.audit.judge import Judge
from zoohub.audit.policy import BUILT_IN, TERMS, Policy, load, parse
from zoohub.cards.licenses import all_licenses
from zoohub.errors import PolicyError


def policy(**data: object) -> Policy:
    return parse({"name": "ours", **data}, "ours.yaml")


def severities(chosen: Policy, license: str, multimodal: bool | None = None) -> dict[str, str]:
    return {issue.term: issue.severity for issue in Judge(chosen).license(license, multimodal)}


@pytest.mark.parametrize("name", BUILT_IN)
def test_unknown_is_never_allowed(name: str) -> None:
    judge = Judge(load(name))
    assert any(issue.severity != "allow" for issue in judge.license("unknown"))
    assert any(issue.severity != "allow" for issue in judge.license("no-such-license"))
    for each in all_licenses():
        if not each.known:
            assert any(issue.severity != "allow" for issue in judge.license(each.id)), each.id


def test_what_the_built_in_policies_say() -> None:
    def verdict(name: str, license: str) -> str:
        found = set(severities(load(name), license).values())
        return "deny" if "deny" in found else "review" if "review" in found else "allow"

    expected = {
        "commercial": {"apache-2.0": "allow", "mit": "allow", "cc-by-nc-4.0": "deny", "llama3.2": "review"},
        "research": {"apache-2.0": "allow", "cc-by-nc-4.0": "allow", "unknown": "review"},
        "permissive-only": {"apache-2.0": "allow", "llama3.2": "deny", "unknown": "deny", "gpl-3.0": "deny"},
    }
    for name, wanted in expected.items():
        assert {each: verdict(name, each) for each in wanted} == wanted


@pytest.mark.parametrize(
    ("users", "severity"), [(1000, "allow"), (700_000_001, "deny"), (None, "review")]
)  # fmt: skip
def test_user_threshold(users: int | None, severity: str) -> None:
    chosen = policy(who={"commercial": True, "monthly_users": users, "territory": ["US"]}, what=["use"])
    assert severities(chosen, "llama3.2")["user_threshold"] == severity


@pytest.mark.parametrize(("territory", "severity"), [(["DE"], "deny"), (["US"], "allow"), (None, "review")])
def test_territory(territory: list[str] | None, severity: str) -> None:
    chosen = policy(who={"territory": territory}, what=["use"])
    assert severities(chosen, "llama3.2", True)["territory"] == severity
    assert severities(chosen, "llama3.2", None)["territory"] == ("review" if severity == "deny" else severity)
    assert "territory" not in severities(chosen, "llama3.2", False)
    assert severities(chosen, "llama4", False)["territory"] == severity  # its models are all multimodal


def test_a_rule_for_a_license_allows_what_it_says_and_not_what_it_leaves_open() -> None:
    found = severities(load("permissive-only"), "apple-ascl")
    assert found.pop("unanswered") == "deny"
    assert set(found.values()) <= {"allow"}


def test_norway_is_a_country(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("who: {territory: [no, se]}\n")
    assert load(file).territory == ("NO", "SE")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"rulse": []}, "Did you mean rules"),
        ({"who": {"comercial": True}}, "Did you mean commercial"),
        ({"rules": [{"license": "mit", "severity": "forbid", "reason": "x"}]}, "deny"),
        ({"rules": [{"license": "mit", "severity": "deny"}]}, "no reason"),
        ({"rules": [{"license": "mitt-license-9", "severity": "deny", "reason": "x"}]}, "Unknown license"),
        ({"rules": [{"term": "share_alik", "severity": "deny", "reason": "x"}]}, "Did you mean share_alike"),
        ({"rules": [{"license": "mit", "model": "a/b", "severity": "deny", "reason": "x"}]}, "names 2"),
        ({"rules": [{"license": "unknown", "severity": "allow", "reason": "x"}]}, "waiver"),
        ({"rules": [{"license": "*", "severity": "allow", "reason": "x"}]}, "waiver"),
        ({"rules": [{"model": "*", "severity": "allow", "reason": "x"}]}, "waiver"),
        ({"rules": [{"term": "license-unknown", "severity": "allow", "reason": "x"}]}, "waiver"),
        ({"unknown": "allow"}, "review, deny"),
        ({"rules": [{"license": "mit", "severity": "deny", "reason": "x"},
                    {"license": "MIT", "severity": "allow", "reason": "y"}]}, "two rules"),
        ({"waivers": [{"model": "a/b", "owner": "Jo", "until": "soon", "reason": "x"}]}, "a day"),
        ({"waivers": [{"model": "a/b", "until": "2030-01-01", "reason": "x"}]}, "lacks owner"),
        ({"waivers": [{"model": "*", "owner": "Jo", "until": "2030-01-01", "reason": "x"}]}, "everything"),
        ({"what": ["sell"]}, "what is one of"),
        ({"who": {"monthly_users": "many"}}, "whole number"),
        ({"who": {"territory": ["Germany"]}}, "two letters"),
        ({"extends": "comercial"}, "Did you mean commercial"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        policy(**data)


@pytest.mark.parametrize(
    "text", ["", "- a\n", "{", "name: [", "a: &a [*a]\n", "name: x\nname: y\n", "\0", "rules: " + "[" * 5000]
)  # fmt: skip
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(PolicyError):
        load(file)


def test_a_yaml_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    file = tmp_path / "p.yaml"
    file.write_text("\n".join(lines))
    with pytest.raises(PolicyError):
        load(file)


def test_no_such_policy_names_near_ones() -> None:
    with pytest.raises(PolicyError, match="Did you mean commercial"):
        load("comercial")


def test_overlapping_rules_are_told_and_the_nearer_or_stricter_one_holds() -> None:
    rules = [
        {"license": "cc-by-*", "severity": "deny", "reason": "no CC"},
        {"license": "cc-by-4.0", "severity": "allow", "reason": "but this one"},
        {"model": "a/*", "severity": "allow", "reason": "ours"},
        {"model": "a/b", "severity": "deny", "reason": "not that one"},
    ]
    chosen = policy(rules=rules)
    assert len(chosen.overlaps()) == 2
    assert severities(chosen, "cc-by-4.0").get("denied-by-rule") is None
    assert severities(chosen, "cc-by-sa-4.0")["denied-by-rule"] == "deny"
    rule = chosen.model_rule("A/B")
    assert rule is not None
    assert rule.severity == "deny"


def test_a_policy_takes_over_the_rules_of_its_base_and_may_change_them() -> None:
    own = [{"term": "share_alike", "severity": "deny", "reason": "never"}]
    chosen = policy(extends="commercial", rules=own)
    assert chosen.term("share_alike") == ("deny", "never")
    assert chosen.term("outputs")[0] == "review"


def test_a_waiver_has_a_day() -> None:
    waiver = {"model": "a/b", "owner": "Jo", "until": "2030-06-30", "reason": "x", "term": "license-unknown"}
    (read,) = policy(waivers=[waiver]).waivers
    assert read.until == date(2030, 6, 30)
    assert read.covers("A/B", "license-unknown")
    assert not read.covers("a/b", "forbidden")
    assert read.term in TERMS
