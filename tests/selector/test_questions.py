"""Questions as people ask them: how many samples unsaid, languages in names, units mixed, a machine too small."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from zoohub.cli.main import zoo
from zoohub.errors import SelectorError, UsageError
from zoohub.registry import BaseModel, Evidence, Metric, ModelRecord, Registry
from zoohub.selector import answer, facts, units
from zoohub.selector.candidates import obstacle
from zoohub.selector.purpose import foreign, speaks, topic
from zoohub.selector.question import Wanted


@pytest.fixture
def registry(tmp_path):
    with Registry.open(f"sqlite:///{tmp_path / 'registry.db'}", catalog=False) as opened:
        yield opened


def record(name: str, task: str = "text-classification", **more) -> ModelRecord:
    return ModelRecord(id=name, task=task, **{"license": "apache-2.0", "parameters": 10_000_000, **more})


def run(*args: str) -> Result:
    return CliRunner().invoke(zoo, args, catch_exceptions=True)


def test_samples_unsaid_are_assumed_where_a_task_must_be_learned_and_the_first_line_says_so(registry):
    registry.add([record("org/encoder", "fill-mask"), record("org/detector", "object-detection")])
    found = answer("text-classification", license="commercial", registry=registry)
    assert found.sentence.startswith("Assuming 1,000 labeled samples")
    assert found.recommendations[0].id == "org/encoder"
    assert found.recommendations[0].strategy.name == "full"
    as_it_is = answer("object-detection", registry=registry)
    assert as_it_is.recommendations[0].strategy.name == "zero-shot"
    assert "Assuming" not in as_it_is.sentence
    assert answer("text-classification", strategy="probe", registry=registry).recommendations
    with pytest.raises(UsageError, match="needs samples"):
        answer("object-detection", strategy="full", registry=registry)


def test_without_samples_models_that_take_classes_as_words_answer_where_there_are_any(registry):
    registry.add([record("org/encoder", "fill-mask"), record("org/topics")])
    ready = answer("text-classification", 0, registry=registry)
    assert [item.id for item in ready.recommendations] == ["org/topics"]
    assert any("only the classes that it was trained on" in note for note in ready.notes)
    registry.add([record("org/any-class", "zero-shot-classification")])
    found = answer("text-classification", 0, registry=registry)
    assert found.sentence.startswith("Without samples, for classes of your own (zero-shot-classification)")
    assert found.recommendations[0].id == "org/any-class"


def test_the_answer_is_printed_though_there_is_nothing_to_draw(tmp_path):
    pytest.importorskip("matplotlib")
    with Registry.open(catalog=False) as opened:
        opened.add([record("org/voice", "text-to-speech")])
    shown = run("recommend", "--task", "tts", "--plot", str(tmp_path / "chart.png"))
    assert shown.stdout.startswith("Try org/voice")
    assert isinstance(shown.exception, SelectorError)


def test_where_no_ready_model_passes_the_error_speaks_of_samples(registry):
    registry.add([record("org/topics", license="cc-by-nc-4.0"), record("org/encoder", "fill-mask")])
    with pytest.raises(SelectorError, match="license commercial: 1") as caught:
        answer("text-classification", 0, license="commercial", registry=registry)
    assert "--samples N" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("name", "languages", "language", "expected"),
    [
        ("damo/nlp_csanmt_translation_zh2en", (), "zh", True),
        ("facebook/nllb-200-distilled-600M", (), "zh", True),
        ("org/bert-base-chinese", (), "zh", True),
        ("org/bert-base-chinese", (), "en", False),
        ("org/bert-base", (), "en", True),
        ("org/bert-base", (), "zh", False),
        ("org/gemma-2b-it", (), "it", False),
        ("org/whisper-small.en", (), "zh", False),
        ("org/bert-base-chinese", ("ja",), "zh", False),
        ("distil-whisper/distil-large-v2", (), "zh", False),
        ("distil-whisper/distil-large-v2", (), "en", True),
        ("org/xlm-roberta-large-dutch", (), "nl", True),
        ("org/xlm-roberta-large-dutch", (), "de", False),
        ("org/xlm-roberta-large-english", (), "de", False),
        ("damo/nlp_csanmt_translation_zh2en", (), "en", True),
        ("org/anything", ("multilingual",), "sw", True),
    ],
)
def test_languages_are_read_from_the_record_else_from_the_name(name, languages, language, expected):
    assert speaks(record(name, languages=languages), language) is expected


def test_a_tuned_model_has_the_name_of_its_base_and_not_its_languages():
    tuned = record("org/whisper-small-kinyarwanda", base_models=(BaseModel("org/whisper-small", "finetune"),))
    smaller = record("org/whisper-small-int8", base_models=(BaseModel("org/whisper-small", "quantized"),))
    assert not speaks(tuned, "zh")
    assert speaks(smaller, "zh")


@pytest.mark.parametrize(
    ("formats", "expected"), [(("gguf",), True), (("gguf", "safetensors"), False), ((), False)]
)
def test_of_an_unknown_library_the_format_tells_whether_it_can_be_loaded(formats, expected):
    assert foreign(record("org/m", library=None, formats=formats), ("text-generation",)) is expected


def test_a_region_is_no_other_language(registry):
    registry.add([record("org/german", languages=("de",)), record("org/french", languages=("fr",))])
    found = answer("text-classification", 900, language="de-AT", registry=registry)
    assert [item.id for item in found.recommendations] == ["org/german"]


def test_a_topic_keeps_models_that_were_made_for_it(registry):
    assert topic("face recognition") == topic("人脸识别")
    assert topic("情感分析").name == "sentiment"
    assert topic("image-classification") is None
    registry.add(
        [
            record("org/resnet50_face", "image-feature-extraction"),
            record("facebook/dinov2-base", "image-feature-extraction", parameters=90_000_000),
        ]
    )
    found = answer("face recognition", registry=registry)
    assert [item.id for item in found.recommendations] == ["org/resnet50_face"]
    assert found.removed["not made for face"] == 1


def test_models_known_to_exceed_this_machine_are_left_out_unless_memory_is_named(registry):
    registry.add(
        [record("org/small"), record("org/vast", parameters=10**13), record("org/unknown", parameters=None)]
    )
    names = {item.id for item in answer("text-classification", registry=registry).recommendations}
    assert names == {"org/small", "org/unknown"}
    all_of_them = answer("text-classification", memory="9000TB", registry=registry)
    assert "org/vast" in {item.id for item in all_of_them.recommendations}
    assert any("more than this machine has" in note for note in all_of_them.notes)


def test_a_large_model_is_judged_by_the_strategy_it_would_get():
    wanted = Wanted("text-classification", samples=5000, classes=2, memory=30e9)
    seven = record("org/seven", parameters=7_000_000_000)
    assert wanted.plan(7_000_000_000).name == "lora"
    assert obstacle(seven, wanted) == "memory"
    assert obstacle(seven, Wanted("text-classification", samples=5000, classes=2, memory=80e9)) is None
    full = Wanted("text-classification", samples=5000, classes=2, memory=80e9, strategy="full")
    assert obstacle(seven, full) == "memory"


def test_run_memory_is_that_of_the_precision_asked_for(registry):
    registry.add([record("org/chat", "text-generation", parameters=3_000_000_000)])
    full = answer("text-generation", memory="64GB", registry=registry).recommendations[0]
    half = answer("text-generation", memory="16GB", precision="bf16", registry=registry).recommendations[0]
    assert half.inference.memory.middle < 16e9 < 1.2 * full.inference.memory.middle


@pytest.mark.parametrize(
    ("metric", "value", "name", "expected"),
    [
        ("acc@1", 81.6, "accuracy", 0.816),
        ("Top 1 Accuracy", 81.6, "accuracy", 0.816),
        ("accuracy", 0.816, "accuracy", 0.816),
        ("box_map", 54.6, "box AP", 0.546),
        ("mIoU", 45.0, "mIoU", 0.45),
        ("wer", 7.8, "wer", 7.8),
        ("CIDER", 144.5, "CIDER", 144.5),
    ],
)
def test_metrics_have_one_name_and_one_unit(metric, value, name, expected):
    row = units.canonical(Evidence("m", "t", "COCO-val2017", metric, value))
    assert (row.metric, row.dataset) == (name, "COCO")
    assert row.value == pytest.approx(expected)


def test_scores_of_two_units_do_not_mix(registry):
    for place in range(8):
        share = 0.5 + place / 20
        metrics = (
            Metric("accuracy", share, "depth-estimation", "a"),
            Metric("box_map", 100 * share, "depth-estimation", "b"),
            Metric("frames per second", 1000.0 * place, "depth-estimation", "c"),
        )
        registry.add([record(f"card/m{place}", "depth-estimation", metrics=metrics)])
    for item in answer("depth-estimation", registry=registry).recommendations:
        assert 0.5 <= item.low <= item.score <= item.high <= 0.85


def test_a_claim_of_the_card_counts_once_beside_the_same_published_result(registry):
    rows = [Evidence(f"org/m{n}", "object-detection", "COCO", "box AP", 0.3 + n / 50) for n in range(8)]
    registry.add_evidence(rows)
    registry.add(
        record(
            f"org/m{n}",
            "object-detection",
            metrics=(Metric("box_map", 30 + 2.0 * n, "object-detection", "COCO"),),
        )
        for n in range(8)
    )
    assert {item.records for item in answer("object-detection", registry=registry).recommendations} == {1}


def test_size_comes_from_the_name_of_a_language_model_and_not_of_a_vision_model():
    named = {"parameters": None}
    assert facts.size(record("facebook/nllb-200-1.3B", "translation", **named)) == 1_300_000_000
    assert facts.size(record("org/clip-datacomp-1b", "zero-shot-image-classification", **named)) is None


def test_a_loss_is_told_from_low_to_high(registry):
    rows = [Evidence(f"org/m{n}", "automatic-speech-recognition", f"s{d}", "wer", 5.0 + n + d, False)
            for n in range(8) for d in range(6)]  # fmt: skip
    registry.add(record(f"org/m{n}", "automatic-speech-recognition") for n in range(8))
    registry.add_evidence(rows)
    told = answer("asr", registry=registry).sentence
    low, high = (float(part) for part in told.partition("(")[2].partition(" in four")[0].split(" to "))
    assert low < high


@pytest.mark.parametrize("form", ["table", "markdown", "json", "id"])
def test_no_evidence_shows_no_chance_in_any_form(form):
    with Registry.open(catalog=False) as opened:
        opened.add([record(f"org/m{n}", "text-to-speech") for n in range(3)])
    shown = run("recommend", "--task", "tts", "--format", form)
    assert shown.exit_code == 0, shown.output
    if form == "json":
        assert json.loads(shown.stdout)["recommendations"][0]["score"] is None
    else:
        assert "%" not in shown.stdout.replace("80%", "")


def test_models_that_zoohub_cannot_load_answer_only_where_there_are_no_others(registry):
    registry.add(
        [
            record("org/boxes", "object-detection", library="mmdet"),
            record("org/detr", "object-detection", library="transformers"),
            record("org/unsaid", "object-detection"),
            record("org/tv", "object-detection", library="torchvision"),  # whose classifiers alone are served
        ]
    )
    found = answer("object-detection", 300, registry=registry)
    assert {item.id for item in found.recommendations} == {"org/detr", "org/unsaid"}
    assert found.removed["of a library that zoohub does not load"] == 2
    registry.add([record("org/points", "keypoint-detection", library="mmpose")])
    only = answer("keypoint-detection", registry=registry)
    assert [item.id for item in only.recommendations] == ["org/points"]
    assert "zoohub loads no model for this; org/points is for mmpose." in only.notes


def test_hours_of_training_are_told_beside_what_a_probe_takes(registry):
    registry.add([record("org/large", parameters=400_000_000)])
    slow = answer("text-classification", 20_000, classes=2, memory="64GB", registry=registry)
    assert any("--strategy probe" in note for note in slow.notes)
    registry.add([record("org/speaker", "translation", parameters=3_000_000_000)])
    ready = answer("translation", 5000, memory="64GB", registry=registry)
    assert any("--samples 0 for one to use as it is" in note for note in ready.notes)
    quick = answer("text-classification", 40, classes=2, memory="64GB", registry=registry)
    assert not any("--strategy probe" in note for note in quick.notes)


@pytest.mark.parametrize(
    ("name", "task", "more", "ask", "work"),
    [
        ("org/reviews", "text-classification", {}, ("--samples", "5000", "--classes", "2"), "zoo finetune org/reviews DATA --task text-classification --strategy full"),
        ("org/vectors", "feature-extraction", {}, (), "zoo embed org/vectors INPUT --task feature-extraction"),
        ("org/ears", "automatic-speech-recognition", {}, (), "zoo predict org/ears INPUT --task automatic-speech-recognition"),
        ("org/points", "keypoint-detection", {"library": "mmpose"}, (), "zoo show org/points"),
    ],
)  # fmt: skip
def test_the_answer_ends_with_the_license_and_the_commands_to_go_on_with(name, task, more, ask, work):
    with Registry.open(catalog=False) as opened:
        opened.add([record(name, task, **more)])
    shown = CliRunner().invoke(zoo, ["recommend", "--task", task, *ask]).stdout
    assert f"License of {name}: apache-2.0, commercial use allowed" in shown
    assert shown.rstrip().endswith(work)
    assert (f"zoo pull {name}" in shown) == ("library" not in more)


def _tied(registry, names: dict[str, dict]) -> None:
    """Models that reach the same everywhere, ahead of five that do not."""
    registry.add(record(name, "tabular-classification", **more) for name, more in names.items())
    registry.add(record(f"org/low-{i}", "tabular-classification") for i in range(5))
    scores = dict.fromkeys(names, 0.9) | {f"org/low-{i}": 0.5 + i / 50 for i in range(5)}
    registry.add_evidence(
        [Evidence(model, "tabular-classification", f"s{d}", "accuracy", score + d / 100)
         for model, score in scores.items() for d in range(6)]
    )  # fmt: skip


def test_where_no_license_was_asked_for_the_best_free_model_is_named_beside_one_that_forbids_business(
    registry,
):
    _tied(registry, {"org/closed": {"license": "cc-by-nc-4.0", "parameters": 1_000_000}, "org/open": {}})
    found = answer("tabular-classification", 900, registry=registry)
    assert found.recommendations[0].id == "org/closed"
    assert [note for note in found.notes if "forbids commercial use" in note and "org/open" in note]
    asked = answer("tabular-classification", 900, license="commercial", registry=registry)
    assert asked.recommendations[0].id == "org/open"
    assert not [note for note in asked.notes if "forbids" in note]


def test_of_equals_one_that_runs_code_of_its_own_comes_later_and_is_noted(registry):
    coded = {"parameters": 1_000_000, "config": {"auto_map": True}}
    _tied(registry, {"org/coded": coded, "org/plain": {}, "org/tagged": {"tags": ("custom_code",)}})
    found = answer("tabular-classification", 900, registry=registry)
    assert [(item.id, item.needs_code) for item in found.recommendations[:3]] == [
        ("org/plain", False), ("org/coded", True), ("org/tagged", True)
    ]  # fmt: skip
    assert [note for note in found.notes if "code of their own" in note and "org/coded, org/tagged" in note]


def test_results_of_training_say_nothing_of_how_a_model_writes_untrained(registry):
    registry.add(record(f"org/m{n}", "text-generation", parameters=10**7 * (9 - n)) for n in range(8))
    registry.add_evidence(
        [Evidence(f"org/m{n}", "text-generation", f"s{d}", "test_loss", 3.0 - n / 10, False, strategy="full")
         for n in range(8) for d in range(6)]
    )  # fmt: skip
    assert answer("text-generation", 3000, registry=registry).recommendations[0].records
    asked = answer("text-generation", registry=registry)
    assert any(note.startswith("No evidence") for note in asked.notes)
    assert asked.recommendations[0].score is None


def test_downloads_order_models_only_where_there_are_no_results(registry):
    _tied(registry, {f"org/seen-{i}": {"parameters": 10**7 * i} for i in range(1, 5)})
    registry.add([record("org/loaded", "tabular-classification", parameters=10**6, downloads=10**8)])
    registry.add([record("org/little", "tabular-classification", parameters=10**6, downloads=10)])
    found = answer("tabular-classification", 900, limit=20, registry=registry)
    unseen = [item for item in found.recommendations if not item.records]
    assert {item.id for item in unseen} == {"org/loaded", "org/little"}
    assert unseen[0].score == pytest.approx(unseen[1].score, abs=0.05)
    registry.add(record(f"org/text-{n}", "token-classification", downloads=10**n) for n in (1, 3, 5))
    first = answer("token-classification", 900, registry=registry).recommendations[0]
    assert first.id == "org/text-5"


def test_without_evidence_models_made_for_the_language_come_first(registry):
    names = ("org/xlm-large", "org/xlm-german", "org/bert-multilingual")
    registry.add(record(name, "token-classification", parameters=None) for name in names)
    found = answer("token-classification", 2000, language="de", registry=registry)
    assert found.recommendations[0].id == "org/xlm-german"
    assert any("the order says little" in note for note in found.notes)
