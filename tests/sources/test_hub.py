"""The hub source against a real server, beside the unmodified Hugging Face client."""

from __future__ import annotations

import hashlib
import time

import pytest
from huggingface_hub import HfApi

from tests.sources.hubserver import HubServer, Reply, as_json
from zoohub.errors import SourceError
from zoohub.registry.records import BaseModel, ModelRecord
from zoohub.registry.sources import Wanted, records, source, transport
from zoohub.registry.sources.hub import HubSource

WEIGHTS = bytes(range(256)) * 4000


def only(hub: HubServer) -> ModelRecord:
    [record] = records(HubSource())
    return record


def test_it_lists_what_the_official_client_lists(hub: HubServer) -> None:
    hub.fill(120)
    theirs = [model.id for model in HfApi(endpoint=hub.url).list_models(sort="lastModified")]
    assert [record.id for record in records(HubSource())] == theirs
    assert len(theirs) == 120


def test_a_record_holds_what_the_hub_says(hub: HubServer) -> None:
    result = {
        "task": {"type": "text-classification"},
        "dataset": {"name": "SST-2"},
        "metrics": [{"type": "accuracy", "value": 0.91}],
    }
    hub.add(
        "org/model",
        {"model.safetensors": b"x", "config.json": b"{}"},
        pipeline_tag="text-classification",
        library_name="transformers",
        downloads=17,
        likes=3,
        gated="manual",
        safetensors={"total": 66_000_000},
        usedStorage=268_000_000,
        tags=["transformers", "license:other", "arxiv:1910.01108", "dataset:sst2", "region:us"],
        config={"architectures": ["BertModel"], "model_type": "bert", "auto_map": {"A": "b.C"}},
        baseModels={
            "relation": "finetune",
            "models": [{"_id": "1", "id": "distilbert/distilbert-base-uncased"}],
        },
        cardData={
            "license": "other",
            "license_name": "my-license",
            "license_link": "LICENSE",
            "language": ["en", "zh"],
            "model-index": [{"name": "m", "results": [result]}],
        },
    )
    record = only(hub)
    assert record.task == "text-classification"
    assert (record.license_raw, record.license_name, record.license_link) == (
        "other",
        "my-license",
        "LICENSE",
    )
    assert record.base_models == (BaseModel("distilbert/distilbert-base-uncased", "finetune"),)
    assert (record.parameters, record.size, record.downloads, record.likes) == (
        66_000_000,
        268_000_000,
        17,
        3,
    )
    assert record.gated is True
    assert record.languages == ("en", "zh")
    assert record.datasets == ("sst2",)
    assert record.tags == ("transformers", "arxiv:1910.01108")
    assert record.formats == ("safetensors",)
    assert [(m.metric, m.value, m.dataset) for m in record.metrics] == [("accuracy", 0.91, "SST-2")]
    assert record.config["auto_map"] is True
    assert record.updated
    assert record.updated.endswith("Z")


def test_lineage_is_read_from_tags_where_the_hub_gives_no_more(hub: HubServer) -> None:
    hub.add("a/b", tags=["base_model:meta/base", "base_model:quantized:meta/base", "base_model:x y z"])
    assert only(hub).base_models == (BaseModel("meta/base", "quantized"),)


def test_unknown_stays_unknown(hub: HubServer) -> None:
    hub.add("a/b", downloads=None, likes=None, gated=None)
    record = only(hub)
    assert record.license == "unknown"
    assert record.license_raw is None
    assert (record.task, record.parameters, record.size, record.downloads, record.gated) == (None,) * 5


def test_filters_and_limit(hub: HubServer) -> None:
    hub.fill(140)
    source = HubSource()
    wanted = Wanted(tasks=("text-classification",), authors=("org1", "org2"))
    found = list(records(source, wanted))
    assert {record.author for record in found} == {"org1", "org2"}
    assert {record.task for record in found} == {"text-classification"}
    assert len(list(records(source, Wanted(limit=7)))) == 7
    assert all((record.downloads or 0) >= 200 for record in records(source, Wanted(min_downloads=200)))


def test_it_stops_at_what_is_older(hub: HubServer) -> None:
    hub.fill(200)
    since = sorted(model["lastModified"] for model in hub.models.values())[-30].replace(".000Z", "Z")
    assert len(list(records(HubSource(), Wanted(since=since)))) == 30
    assert hub.asked("/api/models") == 1


def test_it_goes_on_at_a_cursor(hub: HubServer) -> None:
    hub.fill(130)
    pages = list(HubSource().pages())
    assert [len(page.records) for page in pages] == [50, 50, 30]
    assert pages[-1].cursor is None
    rest = [record.id for page in HubSource().pages(None, pages[0].cursor) for record in page.records]
    assert rest == [record.id for page in pages[1:] for record in page.records]


# --- files ---------------------------------------------------------------------------------------


def test_files_come_with_size_digest_and_commit(hub: HubServer) -> None:
    hub.add("org/model", {"config.json": b"{}", "sub/model.safetensors": WEIGHTS})
    with source("hub").open(ModelRecord(id="org/model")) as files:
        assert files.revision == hub.models["org/model"]["sha"]
        weights = next(file for file in files.files if file.path == "sub/model.safetensors")
        assert (weights.size, weights.sha256) == (len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest())
        assert b"".join(files.chunks(weights)) == WEIGHTS
        assert b"".join(files.chunks(weights, 1_000_003)) == WEIGHTS[1_000_003:]
        assert b"".join(files.chunks(weights, len(WEIGHTS))) == b""


def test_a_server_without_ranges_is_read_past_what_is_known(hub: HubServer) -> None:
    hub.add("org/model", {"model.safetensors": WEIGHTS})
    hub.fail("/resolve/", Reply(200, WEIGHTS))
    with source("hub").open(ModelRecord(id="org/model")) as files:
        assert b"".join(files.chunks(files.files[0], 600_001)) == WEIGHTS[600_001:]


def test_a_broken_stream_is_an_error_after_what_arrived(hub: HubServer) -> None:
    hub.add("org/model", {"model.safetensors": WEIGHTS})
    hub.fail("/resolve/", Reply(200, WEIGHTS, cut=300_000))
    got: list[bytes] = []
    with source("hub").open(ModelRecord(id="org/model")) as files:
        with pytest.raises(SourceError, match="broke off"):
            got.extend(files.chunks(files.files[0]))
        start = sum(map(len, got))
        rest = b"".join(files.chunks(files.files[0], start))
    assert 0 < start < len(WEIGHTS)
    assert b"".join(got) + rest == WEIGHTS


@pytest.mark.parametrize("name", ["no/such", "org/model"])
def test_a_model_or_revision_that_is_not_there(hub: HubServer, name: str) -> None:
    hub.add("org/model")
    with pytest.raises(SourceError, match="404"), source("hub").open(ModelRecord(id=name, revision="v9")):
        pass


# --- tokens --------------------------------------------------------------------------------------


def test_a_token_goes_where_its_owner_sends_it_and_nowhere_else(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    stored = tmp_path / "token"
    stored.write_text("hf_stored")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(stored))
    hub.add("a/b")
    list(records(HubSource()))
    assert "authorization" not in hub.requests[-1][2], "a stored token is the official hub's alone"
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    list(records(HubSource()))
    assert hub.requests[-1][2]["authorization"] == "Bearer hf_mine"


def test_a_next_page_on_another_host_is_not_followed(hub: HubServer) -> None:
    hub.fail("/api/models", as_json([{"id": "a/b"}], Link='<http://127.0.0.1:1/api/models?x>; rel="next"'))
    with pytest.raises(SourceError, match="another host"):
        list(HubSource().pages())


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, b"", {"Retry-After": "0"}),
        Reply(500, b"oops"),
        Reply(503, b""),
        Reply(200, b'[{"id": "a/'),
        Reply(200, b"\xff\xfe\x00"),
        Reply(200, b'[{"id": "a/b"}]', cut=5),
        Reply(200, b"[" * 200_000),
    ],
    ids=["429", "500", "503", "cut JSON", "no text", "dropped line", "deep JSON"],
)  # fmt: skip
def test_a_passing_fault_is_survived(hub: HubServer, hasty: None, reply: Reply) -> None:
    hub.fill(60)
    hub.fail("/api/models", reply, reply)
    assert len(list(records(HubSource()))) == 60


@pytest.mark.parametrize("reply", [Reply(500), Reply(200, b"<html>"), Reply(429, b"", {"Retry-After": "0"})])
def test_a_lasting_fault_is_one_clear_error(hub: HubServer, hasty: None, reply: Reply) -> None:
    hub.fail("/api/models", reply, forever=True)
    with pytest.raises(SourceError):
        list(HubSource().pages())
    assert hub.asked("/api/models") == transport.ATTEMPTS


def test_no_answer_at_all_names_the_remedy(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="HF_ENDPOINT"):
        list(HubSource("http://127.0.0.1:1").pages())


def test_it_waits_as_long_as_the_hub_asks(hub: HubServer, hasty: None) -> None:
    hub.fill(3)
    hub.fail("/api/models", Reply(429, b"", {"Retry-After": "1"}))
    start = time.monotonic()
    assert len(list(records(HubSource()))) == 3
    assert time.monotonic() - start >= 1.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"RateLimit": '"api";r=0;t=55'}, 55.0),
        ({"RateLimit": '"api";r=4;t=55'}, None),
        ({}, None),
    ],
)
def test_the_ways_in_which_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert transport.wait_asked(headers) == seconds


def test_a_server_that_asks_for_an_hour_is_not_waited_for(hub: HubServer) -> None:
    hub.fail("/api/models", Reply(429, b"", {"Retry-After": "3600"}))
    with pytest.raises(SourceError, match="3600 seconds"):
        list(HubSource().pages())


def test_an_endless_cursor_ends(hub: HubServer) -> None:
    hub.fill(3)
    page = list(hub.models.values())
    turns = iter(range(10_000))
    hub.rules.append(
        (__import__("re").compile("/api/models"),
         lambda _: as_json(page, Link=f'<{hub.url}/api/models?cursor={next(turns)}>; rel="next"')),
    )  # fmt: skip
    with pytest.raises(SourceError, match="circles"):
        list(HubSource().pages())
    assert hub.asked("/api/models") < 10


def test_one_bad_record_is_set_aside_with_its_reason(hub: HubServer) -> None:
    hub.fill(5)
    good = list(hub.models.values())
    bad: list[object] = [
        {"id": "a/huge", "cardData": {"x": "y" * (30 << 20)}},
        {"id": "a/many", "tags": [f"tag{n}" for n in range(10_000)]},
        {"id": "a/negative", "usedStorage": -5},
        {"id": "a/impossible", "safetensors": {"total": 10**30}},
        {"id": "a/nan", "downloads": float("nan")},
        {"id": "../../etc/passwd"},
        {"id": "a/b\u202egnp.exe"},
        {"id": 7},
        {},
        "text",
        None,
        ["list"],
    ]  # fmt: skip
    hub.fail("/api/models", as_json(good + bad))
    [page] = HubSource().pages()
    assert len(page.records) == 5
    assert len(page.refused) == len(bad)
    reasons = " ".join(refusal.reason for refusal in page.refused)
    for word in ("30 MiB", "10,000 entries", "size in bytes", "parameters", "downloads", "model id", "no id"):
        assert word in reasons


def test_hostile_text_is_made_plain(hub: HubServer) -> None:
    hub.add(
        "a/b", tags=["ok", "bad\x1b[31m", "bidi\u202etxt", "'; DROP TABLE models;--"], library_name="x" * 5000
    )
    record = only(hub)
    assert record.tags == ("ok", "bad [31m", "bidi txt", "'; DROP TABLE models;--")
    assert len(record.library or "") <= 60


@pytest.mark.parametrize(
    "value", [[], {}, 3, True, "\x00", {"a": {"b": []}}, [None], ["x", {"y": 1}], float("inf")]
)
def test_any_field_may_hold_nonsense(hub: HubServer, value: object) -> None:
    keys = (
        *("author", "baseModels", "cardData", "config", "createdAt", "gated", "gguf", "lastModified"),
        "library_name",
        *("model-index", "pipeline_tag", "safetensors", "sha", "siblings", "tags"),
    )
    hub.fail("/api/models", as_json([{"id": f"a/m{n}", key: value} for n, key in enumerate(keys)]))
    [page] = HubSource().pages()
    assert len(page.records) + len(page.refused) == len(keys)
    assert len(page.refused) <= 2


def test_offline_asks_nobody(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(SourceError, match="ZOO_OFFLINE"):
        list(HubSource().pages())
    assert not hub.requests
