"""Fine-tuning from data to a folder that others load: tiny models, real files, each bad input once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch")
import tiny  # noqa: E402
import tiny_speech  # noqa: E402
from PIL import Image  # noqa: E402

import zoohub  # noqa: E402
from zoohub.adapters import load  # noqa: E402
from zoohub.adapters.data import read  # noqa: E402
from zoohub.errors import CapabilityError, DataError, InputError, UsageError  # noqa: E402

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
]
COLORS = ("blue", "green", "red")
MAKERS = [tiny.vit, tiny.resnet, tiny.timm_resnet, tiny.torchvision_shufflenet]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 3)):
        for channel, color in enumerate(("red", "green", "blue")):
            folder = tmp_path / "pictures" / split / color
            folder.mkdir(parents=True)
            for number in range(count):
                values = draws.integers(0, 90, (40, 48, 3), dtype=np.uint8)
                values[..., channel] += 120
                Image.fromarray(values).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def _reviews(count: int = 24) -> list[dict[str, str]]:
    words = [("good nice great", "good"), ("bad terrible not good", "bad")]
    return [{"text": f"the {words[i % 2][0]} hotel {i}", "label": words[i % 2][1]} for i in range(count)]


def test_each_epoch_is_measured_with_its_own_weights(tmp_path: Path) -> None:
    """So many pictures are measured that the faster copy is made, which must follow the weights."""
    draws = np.random.default_rng(0)
    pictures = [Image.fromarray(draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(70)]
    rows = [
        {"image": picture, "label": COLORS[place % 3]} for place, picture in enumerate(pictures)
    ]  # nothing to learn: what is measured changes with any weights
    settings = {"strategy": "full", "epochs": 4, "patience": None, "learning_rate": 0.01}
    tuned = load(tiny.timm_resnet(tmp_path)).finetune(
        rows[:30], eval=rows, output=tmp_path / "tuned", register=False, **settings
    )
    run = json.loads((tmp_path / "tuned" / "training.json").read_text(encoding="utf-8"))
    epochs = [line["eval_accuracy"] for line in run["history"] if "eval_accuracy" in line]
    said = run["evaluation"]["metrics"]["accuracy"]["value"]
    assert len(epochs) == 4
    assert len(set(epochs)) > 1
    assert said == tuned.evaluate(rows).to_dict()["metrics"]["accuracy"]["value"] == round(max(epochs), 6)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_probe_learns_is_saved_and_found(
    make: Callable[[Path], Path], tmp_path: Path, pictures: Path
) -> None:
    (tmp_path / "base").mkdir()
    base = load(make(tmp_path / "base"))
    before = base.embed(str(pictures / "test" / "red" / "0.png"))
    tuned = base.finetune(pictures, strategy="probe", output=tmp_path / "tuned")
    assert tuned.labels == COLORS
    measured = tuned.evaluate(pictures)
    assert measured["accuracy"] >= 0.6
    assert sum(map(sum, measured.confusion)) == measured.n == 9
    assert base.labels == tiny.LABELS
    assert np.array_equal(base.embed(str(pictures / "test" / "red" / "0.png")), before)
    assert f"folder:{tmp_path / 'tuned'}" in [r.id for r in zoohub.search("", source="folder", limit=None)]
    card = (tmp_path / "tuned" / "README.md").read_text()
    assert "accuracy" in card
    run = json.loads((tmp_path / "tuned" / "training.json").read_text())
    assert run["settings"]["strategy"] == "probe"
    assert (tmp_path / "tuned" / "confusion_matrix.png").is_file()


def test_the_tuned_model_is_transformers_own(tmp_path: Path, pictures: Path) -> None:
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    tuned = load(tiny.vit(tmp_path)).finetune(
        pictures, strategy="probe", register=False, output=tmp_path / "tuned"
    )
    path = pictures / "test" / "green" / "1.png"
    module = AutoModelForImageClassification.from_pretrained(tmp_path / "tuned")
    processor = AutoImageProcessor.from_pretrained(tmp_path / "tuned")
    logits = module(**processor(Image.open(path), return_tensors="pt")).logits.detach().softmax(-1)[0]
    ours = {label.label: label.score for label in tuned.predict(path).labels}
    theirs = {module.config.id2label[i]: float(score) for i, score in enumerate(logits)}
    assert ours == pytest.approx(theirs, abs=0.02)


def test_the_tuned_model_is_timms_own(tmp_path: Path, pictures: Path) -> None:
    import timm

    (tmp_path / "base").mkdir()
    tuned = load(tiny.timm_resnet(tmp_path / "base")).finetune(
        pictures, strategy="probe", register=False, output=tmp_path / "tuned"
    )
    module = timm.create_model(f"local-dir:{tmp_path / 'tuned'}", pretrained=True).eval()
    pixels = tuned.pixels([tuned.prepare(pictures / "test" / "red" / "0.png")])
    assert np.allclose(module(pixels).detach(), tuned.logits(pixels).detach(), atol=1e-5)


@pytest.mark.parametrize("strategy", ["full", "lora", "probe-then-full"])
def test_training_lowers_the_loss_and_leaves_the_base(strategy: str, tmp_path: Path, pictures: Path) -> None:
    base = load(tiny.vit(tmp_path))
    before = {name: value.clone() for name, value in base.module.state_dict().items()}
    tuned = base.finetune(
        pictures, strategy=strategy, epochs=4, register=False, output=tmp_path / "tuned", learning_rate=3e-3
    )
    losses = [
        line["loss"]
        for line in json.loads((tmp_path / "tuned" / "training.json").read_text())["history"]
        if "loss" in line
    ]
    assert losses[-1] < losses[0]
    assert tuned.evaluate(pictures)["accuracy"] > 0.6
    assert all(np.array_equal(value, before[name]) for name, value in base.module.state_dict().items())
    assert (tmp_path / "tuned" / "training_curve.png").is_file()
    assert not list(tmp_path.glob(".tuned*"))


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_ends_as_an_uninterrupted_one(tmp_path: Path, pictures: Path) -> None:
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.epoch and state.epoch >= 2:
                raise KeyboardInterrupt

    base = load(tiny.vit(tmp_path))
    settings = {"strategy": "full", "epochs": 4, "patience": None, "learning_rate": 1e-3}
    whole = base.finetune(pictures, register=False, output=tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        base.finetune(pictures, register=False, output=tmp_path / "tuned", callbacks=[Stop()], **settings)
    assert not (tmp_path / "tuned").exists()
    with pytest.raises(UsageError, match="other settings: epochs"):
        base.finetune(
            pictures, register=False, output=tmp_path / "tuned", resume=True, **{**settings, "epochs": 5}
        )
    resumed = base.finetune(pictures, register=False, output=tmp_path / "tuned", resume=True, **settings)
    for name, value in whole.module.state_dict().items():
        assert np.allclose(value, resumed.module.state_dict()[name], atol=1e-5), name


@pytest.mark.parametrize("strategy", ["full", "setfit", "lora"])
def test_texts_are_learned_by_recomputing(strategy: str, tmp_path: Path) -> None:
    base = load(tiny.bert_encoder(tmp_path / "base"))
    settings = {"strategy": strategy, "epochs": 1, "checkpointing": True, "register": False}
    assert base.finetune(_reviews(), output=tmp_path / "tuned", **settings).labels == ("bad", "good")


@pytest.mark.parametrize("make", [tiny.torchvision_shufflenet, tiny.timm_resnet, tiny.resnet, tiny.vit])
def test_pictures_are_learned_by_recomputing_as_without(make: Any, tmp_path: Path, pictures: Path) -> None:
    base = load(make(tmp_path / "base"))
    settings = {"strategy": "full", "epochs": 2, "patience": None, "register": False}
    plain, again = (
        base.finetune(pictures, output=tmp_path / str(on), checkpointing=on, **settings).module.state_dict()
        for on in (False, True)
    )
    for name, value in plain.items():
        assert np.allclose(value, again[name], atol=1e-5), name  # batch norms count no batch twice


def test_a_single_picture_left_over_by_the_batches_does_not_stop_training(
    tmp_path: Path, pictures: Path
) -> None:
    from zoohub.adapters.data import read

    rows = read(pictures, "image-classification")
    base = load(tiny.timm_resnet(tmp_path / "base"))
    base.finetune(
        rows.pick(range(0, 24, 5)),
        eval=rows,
        strategy="full",
        epochs=1,
        batch_size=2,
        register=False,
        output=tmp_path / "t",
    )  # five pictures by two, in maps of a single pixel
    assert (tmp_path / "t" / "model.safetensors").is_file()


def test_numbers_that_count_the_other_way_are_turned_around() -> None:
    import torch

    from zoohub.adapters.training import _as_meant

    norms = [torch.nn.BatchNorm2d(3, momentum=momentum) for momentum in (0.997, 0.1, 0.01, None)]
    dropouts = [torch.nn.Dropout(share) for share in (0.999, 0.8, 0.5, 0.0)]
    _as_meant(torch.nn.Sequential(*norms, *dropouts))
    assert [norm.momentum for norm in norms] == [0.1, 0.1, 0.01, None]
    assert [dropout.p for dropout in dropouts] == pytest.approx([0.001, 0.2, 0.5, 0.0])


def test_a_training_of_few_steps_is_told_apart_from_a_whole_one(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = load(tiny.vit(tmp_path))
    for name, epochs in (("short", 1), ("long", 20)):
        base.finetune(pictures, strategy="full", epochs=epochs, register=False, output=tmp_path / name)
        assert ("steps are few" in capsys.readouterr().err) == (name == "short")


def test_one_seed_one_result(tmp_path: Path, pictures: Path) -> None:
    base = load(tiny.vit(tmp_path))
    one, two = (
        base.finetune(
            pictures, strategy="full", epochs=1, seed=3, register=False, output=tmp_path / name
        ).module.state_dict()
        for name in ("one", "two")
    )
    assert all(np.array_equal(one[name], two[name]) for name in one)


# --- texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["probe", "setfit", "lora", "full"])
def test_a_sentence_encoder_becomes_a_classifier_by_its_own_pooling(strategy: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    base = load(tiny.bert_encoder(tmp_path / "base"))
    assert base.task in ("feature-extraction", "sentence-similarity")
    tuned = base.finetune(
        _reviews(), strategy=strategy, eval=0.25, epochs=6, register=False, output=tmp_path / "tuned"
    )
    assert tuned.task == "text-classification"
    assert tuned.labels == ("bad", "good")
    assert tuned.predict(["the great hotel", "terrible"])[0].label in tuned.labels
    if strategy in ("probe", "setfit"):
        assert tuned.evaluate(_reviews())["accuracy"] > 0.9
    # as sentence-transformers reads the folder: encoder, mean, last module
    encoder = AutoModel.from_pretrained(tmp_path / "tuned").eval()
    tokens = AutoTokenizer.from_pretrained(tmp_path / "tuned")("the great hotel", return_tensors="pt")
    pooled = encoder(**tokens).last_hidden_state.mean(1)
    listing = json.loads((tmp_path / "tuned" / "modules.json").read_text())
    assert [part["type"].rsplit(".", 1)[-1] for part in listing] == ["Transformer", "Pooling", "Dense"]
    head = load_file(tmp_path / "tuned" / listing[-1]["path"] / "model.safetensors")
    scores = (pooled @ head["linear.weight"].T + head["linear.bias"]).softmax(-1)[0].tolist()
    assert tuned.predict("the great hotel").score == pytest.approx(max(scores), abs=1e-4)
    again = load(tuned.save(tmp_path / "saved"), task="text-classification")
    assert again.predict("the great hotel") == tuned.predict("the great hotel")
    assert "AutoModelForSequenceClassification" not in (tmp_path / "tuned" / "README.md").read_text()
    again.finetune(_reviews(), strategy="probe", register=False, output=tmp_path / "anew")


def test_few_texts_are_compared_when_the_choice_is_free() -> None:
    from zoohub.adapters.finetune import choose_strategy
    from zoohub.adapters.pooled import PooledClassifier

    def chosen(each: int) -> str:
        rows = read(_reviews(2 * each), "text-classification")
        return choose_strategy(model, rows, rows.labels, "auto")[0]

    model = PooledClassifier(None, "text-classification")  # type: ignore[arg-type]
    assert [chosen(each) for each in (4, 8, 64, 100)] == ["probe", "setfit", "setfit", "probe"]


def test_comparing_pulls_texts_of_one_class_together(tmp_path: Path) -> None:
    base = load(tiny.bert_encoder(tmp_path / "base"), task="text-classification")
    tuned = base.finetune(
        _reviews(), strategy="setfit", epochs=8, learning_rate=1e-3, register=False, output=tmp_path / "tuned"
    )
    losses = [line["loss"] for line in json.loads((tmp_path / "tuned" / "training.json").read_text())["history"]
              if "loss" in line]  # fmt: skip
    assert losses[-1] < 0.5 * losses[0]
    texts = [row["text"] for row in _reviews(8)]

    def gap(model: Any) -> float:
        table = model.similarity(texts, texts)
        alike = np.add.outer(np.arange(8), np.arange(8)) % 2 == 0
        return float(table[alike].mean() - table[~alike].mean())

    assert gap(tuned) > gap(base.relabel(("bad", "good"))) + 0.1


@pytest.mark.parametrize("labels", [["a", "b"], ["b"]])
def test_several_labels_a_sound_are_refused_before_training(labels: list[str], tmp_path: Path) -> None:
    rows = [{"audio": np.zeros(8000, np.float32), "label": each} for each in (labels, ["a"], ["b"], ["a"])]
    with pytest.raises(DataError, match="several labels"):
        load(tiny_speech.sounds(tmp_path / "base")).finetune(rows, register=False, output=tmp_path / "t")


@pytest.mark.parametrize("strategy", ["probe", "probe-then-full"])
@pytest.mark.parametrize("make", [tiny.bert_classifier, tiny.bert_encoder], ids=lambda make: make.__name__)
def test_texts_with_several_labels_are_probed(make: Any, strategy: str, tmp_path: Path) -> None:
    words = ("hotel", "food", "paris")
    rows = [
        {"text": " ".join(["the", *chosen]), "labels": chosen}
        for i in range(64) for chosen in [[word for k, word in enumerate(words) if i >> k & 1]]
    ]  # fmt: skip
    tuned = load(make(tmp_path / "base"), task="text-classification").finetune(
        rows,
        strategy=strategy,
        eval=rows,
        epochs=1,
        learning_rate=1e-7,
        register=False,
        output=tmp_path / "tuned",
    )
    # a random encoder sees texts so alike that a larger rate would upset the head at once
    assert tuned.evaluate(rows)["exact match"] > 0.9
    assert {label.label for label in tuned.predict("the hotel paris").labels} == {"hotel", "paris"}
    run = json.loads((tmp_path / "tuned" / "training.json").read_text())
    assert run["evaluation"]["metrics"]["F1"]["value"] > 0.9


@pytest.mark.parametrize("strategy", ["probe", "probe-then-full", "full"])
@pytest.mark.parametrize(
    "make", [tiny.vit, tiny.timm_resnet, tiny.torchvision_shufflenet], ids=lambda m: m.__name__
)
def test_pictures_may_have_several_labels(make: Any, strategy: str, tmp_path: Path) -> None:
    rows = []
    draws = np.random.default_rng(0)
    for i in range(48):
        pixels = draws.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        colors = [name for k, name in enumerate(("red", "green", "blue")) if i >> k & 1]
        for name in colors:
            pixels[..., ("red", "green", "blue").index(name)] += 190
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        rows.append({"image": str(tmp_path / f"{i}.png"), "label": colors})
    tuned = load(make(tmp_path / "base")).finetune(
        rows,
        strategy=strategy,
        eval=rows,
        epochs=2,
        learning_rate=1e-4,
        register=False,
        output=tmp_path / "tuned",
    )
    assert tuned.several
    measured = tuned.evaluate(rows)
    assert list(measured.metrics) == ["F1", "micro-F1", "exact match"]
    if strategy == "probe":
        assert measured["exact match"] > 0.95
        assert tuned.predict(rows[0]["image"]).labels == ()
        assert {each.label for each in tuned.predict(rows[5]["image"]).labels} == {"red", "blue"}
    again = load(tuned.save(tmp_path / "saved"))
    assert again.several
    given = [
        [each.label for each in answer.labels] for answer in again.predict([row["image"] for row in rows])
    ]
    assert given == [
        [e.label for e in answer.labels] for answer in tuned.predict([row["image"] for row in rows])
    ]


def test_embeddings_are_pooled_as_the_folder_says_and_saved_so(tmp_path: Path) -> None:
    model = load(tiny.bert_encoder(tmp_path / "base"))
    texts = ["good hotel", "the film was very bad and terrible", "好", ""]
    vectors = model.embed(texts)
    assert vectors.shape == (4, 32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose([model.embed(text) for text in texts], vectors, atol=1e-5)
    again = load(model.save(tmp_path / "saved"))
    assert np.allclose(again.embed(texts), vectors, atol=1e-6)
    assert model.similarity("good hotel", "good hotel") == pytest.approx(1, abs=1e-5)


def test_an_untrained_head_is_not_asked(tmp_path: Path) -> None:
    model = load(tiny.bert_encoder(tmp_path / "base"), task="text-classification")
    with pytest.raises(CapabilityError, match="no trained last layer"):
        model.predict("good")


@pytest.mark.parametrize("make", [tiny.bert_classifier, tiny.bert_encoder], ids=lambda make: make.__name__)
def test_a_text_may_have_several_labels(make: Callable[[Path], Path], tmp_path: Path) -> None:
    rows = [
        {
            "text": f"{'hotel' * (i % 2)} {'food' * (i % 3 > 0)} the",
            "label": ["hotel"] * (i % 2) + ["food"] * (i % 3 > 0),
        }
        for i in range(30)
    ]
    base = load(make(tmp_path / "base"), task="text-classification")
    with pytest.raises(CapabilityError, match="no strategy 'setfit' for these data"):
        base.finetune(rows, strategy="setfit", register=False, output=tmp_path / "no")
    if not base.untrained:
        with pytest.raises(DataError, match="has several labels an input"):
            base.evaluate([{"text": "good", "label": ["good", "bad"]}])
    with pytest.raises(UsageError, match="balance"):
        base.finetune(rows, balance=True, register=False, output=tmp_path / "no")
    tuned = base.finetune(
        rows,
        strategy="full",
        epochs=15,
        learning_rate=5e-3,
        eval=rows,
        patience=None,
        register=False,
        output=tmp_path / "tuned",
    )
    assert sorted(label.label for label in tuned.predict("hotel food the").labels) == ["food", "hotel"]
    assert tuned.predict("the").labels == ()
    assert tuned.evaluate(rows)["F1"] > 0.9


def test_batches_of_like_length_hold_every_row_once_and_differ_by_epoch() -> None:
    from zoohub.adapters.training import by_length

    lengths = list(np.random.default_rng(0).integers(5, 300, 203))
    sampler, twin = by_length(lengths, 8, 3), by_length(lengths, 8, 3)
    first = list(sampler)
    assert sorted(first) == list(range(203))
    assert list(twin) == first
    sampler.set_epoch(1)
    assert list(sampler) != first

    def padded(order: list[int]) -> int:
        return sum(
            max(lengths[i] for i in order[k : k + 8]) * len(order[k : k + 8]) for k in range(0, 203, 8)
        )

    assert padded(first) < 0.7 * padded(list(range(203)))


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "reason"), [([], "no column|Found: none"), ([{"text": "a", "label": "x"}] * 9, "one class only")]
)
def test_data_that_cannot_be_learned_from(rows: list[Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        load(tiny.bert_classifier(tmp_path / "b")).finetune(rows, register=False, output=tmp_path / "t")
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("strategy", ["probe", "full"])
@pytest.mark.parametrize("name", ["broken.png", "notes.txt"])
def test_a_file_that_is_no_picture(strategy: str, name: str, tmp_path: Path, pictures: Path) -> None:
    (pictures / "train" / "red" / name).write_text("not a picture")
    base = load(tiny.vit(tmp_path))
    with pytest.raises(DataError, match=name):
        base.finetune(pictures, strategy=strategy, register=False, output=tmp_path / "t", epochs=1)
    assert (
        base.finetune(
            pictures, strategy=strategy, register=False, output=tmp_path / "t", epochs=1, bad="skip"
        ).labels
        == COLORS
    )
    with pytest.raises(InputError, match="broken"):
        base.predict([str(pictures / "test" / "red" / "0.png"), "broken.png"])


def test_settings_are_checked(tmp_path: Path, pictures: Path) -> None:
    base = load(tiny.vit(tmp_path))
    with pytest.raises(UsageError, match="Did you mean epochs"):
        base.finetune(pictures, epoch=3)
    with pytest.raises(CapabilityError, match="no strategy 'magic'"):
        base.finetune(pictures, strategy="magic")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("keep me")
    with pytest.raises(UsageError, match="there already"):
        base.finetune(pictures, register=False, output=tmp_path / "full")
    with pytest.raises(UsageError, match="no model"):
        base.finetune(pictures, register=False, output=tmp_path / "full", overwrite=True)


def test_a_second_probe_reads_the_features(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load(tiny.vit(tmp_path))
    first = base.finetune(pictures, strategy="probe", register=False, output=tmp_path / "one")
    monkeypatch.setattr(type(base), "features", None)
    second = base.finetune(pictures, strategy="probe", register=False, output=tmp_path / "two")
    assert np.array_equal(first.head().weight.detach(), second.head().weight.detach())


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    folder = tiny.vit(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(zoohub.errors.ZooError):
        load(folder)
