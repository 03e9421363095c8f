"""Average precision beside COCO's own program, mIoU and depth errors beside figures by hand."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch")
import tiny  # noqa: E402
from PIL import Image  # noqa: E402

from zoohub.adapters import load, outlines  # noqa: E402
from zoohub.adapters.metrics import measure  # noqa: E402
from zoohub.adapters.results import Depth, Detection, Mask  # noqa: E402
from zoohub.adapters.sight_measures import aligned  # noqa: E402
from zoohub.adapters.targets import Box, Thing, boxes_of, grid_of, things_of  # noqa: E402
from zoohub.errors import DataError, UsageError  # noqa: E402

pytestmark = pytest.mark.models


def scene(seed: int) -> tuple[list[list[Box]], list[list[Detection]]]:
    """40 pictures with boxes of 4 classes, and detections of all qualities; one class is never really there."""
    draws = np.random.default_rng(seed)
    targets, results = [], []
    for _ in range(40):
        true = [Box(str(draws.integers(3)), box(draws)) for _ in range(draws.integers(0, 6))]
        found = []
        for each in true:
            if draws.random() < 0.8:
                moved = tuple(float(v) for v in np.asarray(each.box) + draws.normal(0, 1.2, 4))
                label = each.label if draws.random() < 0.8 else str(draws.integers(4))
                found.append(Detection(label, float(draws.random()), moved))  # type: ignore[arg-type]
        for _ in range(draws.integers(0, 4)):
            found.append(Detection(str(draws.integers(4)), float(draws.random()), box(draws)))
        targets.append(true)
        results.append(found)
    return targets, results


def box(draws: Any) -> tuple[float, float, float, float]:
    left, top, width, height = (
        draws.uniform(0, 60),
        draws.uniform(0, 60),
        draws.uniform(8, 40),
        draws.uniform(8, 40),
    )
    return float(left), float(top), float(left + width), float(top + height)


def coco(targets: list[list[Box]], results: list[list[Detection]]) -> list[float]:
    """mAP, mAP@50, mAP@75 by pycocotools."""
    tools = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    def wide(box: tuple[float, ...]) -> list[float]:
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    truth = [
        {"id": 0, "image_id": i, "category_id": int(b.label), "bbox": wide(b.box), "iscrowd": 0,
         "area": wide(b.box)[2] * wide(b.box)[3]}
        for i, boxes in enumerate(targets) for b in boxes
    ]  # fmt: skip
    for number, row in enumerate(truth, 1):
        row["id"] = number
    found = [
        {"image_id": i, "category_id": int(d.label), "bbox": wide(d.box), "score": d.score}
        for i, boxes in enumerate(results) for d in boxes
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        data = tools.COCO()
        data.dataset = {
            "images": [{"id": i} for i in range(len(targets))],
            "annotations": truth,
            "categories": [{"id": i} for i in range(4)],
        }
        data.createIndex()
        run = COCOeval(data, data.loadRes(found), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float(value) for value in run.stats[:3]]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_average_precision_is_that_of_coco(seed: int) -> None:
    targets, results = scene(seed)
    found = measure("object-detection", targets, results, ["0", "1", "2", "3"])
    assert [found[name] for name in ("mAP", "mAP@50", "mAP@75")] == pytest.approx(
        coco(targets, results), abs=1e-9
    )
    assert found.main == "mAP"
    assert found.metrics["mAP"].low < found["mAP"] < found.metrics["mAP"].high


def masks_of(seed: int) -> tuple[list[list[Thing]], list[list[Thing]]]:
    """30 pictures with ellipses of three classes, and others near them, some over each other."""
    draws = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :50]

    def ellipse(middle: Any, label: str, score: float = 1.0) -> Thing:
        mask = ((y - middle[0]) / middle[2]) ** 2 + ((x - middle[1]) / middle[3]) ** 2 < 1
        return Thing(label, outlines.runs_of(mask), mask.shape, score)

    targets, results = [], []
    for _ in range(30):
        true = [draws.uniform((5, 5, 4, 4), (35, 45, 12, 12)) for _ in range(draws.integers(1, 5))]
        kinds = [tiny.LABELS[draws.integers(3)] for _ in true]
        targets.append([ellipse(each, kind) for each, kind in zip(true, kinds, strict=True)])
        near = [each + draws.normal(0, 1, 4) for each in true for _ in range(draws.integers(0, 3))]
        results.append(
            [ellipse(each, tiny.LABELS[draws.integers(3)], float(draws.random())) for each in near]
        )
    return targets, results


@pytest.mark.parametrize("seed", [0, 1])
def test_average_precision_of_masks_is_that_of_coco(seed: int) -> None:
    pytest.importorskip("pycocotools")
    import cases

    targets, results = masks_of(seed)
    found = measure("image-segmentation", targets, results, tiny.LABELS)
    assert 0.01 < found["mAP"] == pytest.approx(cases.mask_precision(targets, results), abs=1e-9)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_outlines_and_runs_are_read_as_coco_reads_them() -> None:
    lengths = pytest.importorskip("pycocotools.mask")
    draws = np.random.default_rng(0)
    for _ in range(60):
        height, width = (int(side) for side in draws.integers(5, 90, 2))
        count = int(draws.integers(3, 9))
        drawn = [
            (draws.uniform(-0.1, 1.1, (count, 2)) * (width, height)).round(2).ravel().tolist()
            for _ in range(draws.integers(1, 4))
        ]
        rle = lengths.merge(lengths.frPyObjects(drawn, height, width))
        wanted = lengths.decode(rle).astype(bool)
        assert np.array_equal(outlines.drawn(drawn, (height, width)), wanted)
        for counts in (rle["counts"], rle["counts"].decode(), outlines.runs_of(wanted).tolist()):
            said = {"size": [height, width], "counts": counts}
            assert np.array_equal(outlines.drawn(said, (height, width)), wanted)


def test_an_outline_by_hand() -> None:
    """A square of 2 x 3 pixels; both it and its run lengths."""
    mask = outlines.drawn([[1, 1, 3, 1, 3, 4, 1, 4]], (5, 4))
    assert mask.astype(int).tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert outlines.runs_of(mask).tolist() == [6, 3, 2, 3, 6]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ([{"segmentation": [[1, 1, 2, 2]], "label": "cat"}], "no outline"),
        ([{"segmentation": {"size": [4, 4], "counts": [3]}, "label": "cat"}], "no outline"),
        (
            [{"segmentation": {"size": [2, 2], "counts": [4]}, "label": "cat"}],
            "belongs to a picture of 5 x 4",
        ),
        ([{"mask": np.zeros((9, 9)), "label": "cat"}], "has a mask of 9 x 9"),
        ([{"label": "cat"}], "does not say what the outline"),
        ([7], "does not say what the outline"),
        ("cat", "does not say what the outline"),
    ],
)
def test_what_is_no_thing_is_refused(target: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        things_of(target, (4, 5))


def test_resampled_average_precision_is_that_of_the_resample() -> None:
    """A picture that counts twice is as good as the picture given twice."""
    from zoohub.adapters.sight_measures import boxes

    targets, results = scene(3)
    weights = np.random.default_rng(0).integers(0, 3, (1, len(targets)))
    chosen = [i for i, count in enumerate(weights[0]) for _ in range(count)]
    again = boxes([targets[i] for i in chosen], [results[i] for i in chosen], ())["mAP"]
    assert boxes(targets, results, ())["mAP"].of(weights.astype(float)) == pytest.approx(
        again.of(np.ones((1, len(chosen)))), abs=1e-9
    )


def test_boxes_are_read_from_the_usual_layouts() -> None:
    wanted = [Box("dog", (1, 2, 4, 6)), Box("cat", (0, 0, 5, 5))]
    assert boxes_of({"bbox": [[1, 2, 3, 4], [0, 0, 5, 5]], "category": [1, 0]}, ["cat", "dog"]) == wanted
    assert (
        boxes_of([{"box": [1, 2, 4, 6], "label": "dog"}, {"bbox": [0, 0, 5, 5], "category": "cat"}]) == wanted
    )
    corners = {"xmin": 1, "ymin": 2, "xmax": 4, "ymax": 6}
    assert boxes_of([{"box": corners, "label": "dog"}]) == wanted[:1]
    assert boxes_of([]) == []
    for strange in (
        "dog",
        [7],
        {"bbox": [[1, 2, 3, 4]]},
        [{"label": "dog"}],
        [{"box": [1, 2], "label": "dog"}],
    ):
        with pytest.raises(DataError, match="where things are"):
            boxes_of(strange)


def test_mean_intersection_over_union_by_hand() -> None:
    target = np.array([[0, 0, 1, 1], [0, 2, 1, 255]])
    masks = [Mask("a", 1.0, np.array([[1, 1, 1, 0], [0, 0, 0, 0]], bool)),
             Mask("b", 1.0, np.array([[0, 0, 0, 1], [1, 1, 1, 1]], bool))]  # fmt: skip
    found = measure("image-segmentation", [target], [masks], ["a", "b", "c", "d"])
    # a: 2 of 4, b: 2 of 5, c: 0 of 1; d does not occur
    assert found["mIoU"] == pytest.approx((2 / 4 + 2 / 5 + 0) / 3)
    assert found["pixel accuracy"] == pytest.approx(4 / 7)


def test_depth_errors_by_hand() -> None:
    target = np.array([[1.0, 2.0], [4.0, 0.0]])
    given = Depth(np.array([[1.1, 2.0], [2.0, 9.0]], np.float32))
    found = measure("depth-estimation", [target], [given])
    assert found["AbsRel"] == pytest.approx((0.1 + 0 + 0.5) / 3, abs=1e-6)
    assert found["RMSE"] == pytest.approx(((0.1**2 + 2**2) / 3) ** 0.5, abs=1e-6)
    assert found["delta1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("way", "relative"),
    [
        ("disparity", lambda true: 3 / true - 7),
        ("affine", lambda true: 4 * true - 2),
        ("scale", lambda true: true / 9),
    ],
)
def test_relative_depth_is_brought_to_the_true_one(way: str, relative: Any) -> None:
    true = np.random.default_rng(0).uniform(0.5, 10, (6, 8))
    given = relative(true)
    hidden = true.copy()
    hidden[0] = 0  # not known: neither fitted nor counted
    given[0] = 1e4
    found = measure("depth-estimation", [hidden], [Depth(aligned(given, hidden, way))])
    assert found["AbsRel"] == pytest.approx(0, abs=1e-5)
    assert found["delta1"] == 1


def test_what_comes_out_beyond_the_deepest_true_pixel_counts_as_that_far() -> None:
    true, disparity = np.array([[1.0, 2.0, 4.0, 4.0]]), np.array([[1.0, 0.5, 0.4, -0.4]])
    assert aligned(disparity, true, "disparity")[0, 3] == pytest.approx(4)


def test_how_depth_is_aligned_is_said(tmp_path: Path) -> None:
    model = load(tiny.glpn(tmp_path / "model"))
    draws = np.random.default_rng(0)
    rows = [
        {"image": draws.integers(0, 255, (40, 48, 3), dtype=np.uint8), "depth": draws.uniform(1, 9, (40, 48))}
        for _ in range(3)
    ]
    plain, fitted = model.evaluate(rows), model.evaluate(rows, align="affine")
    assert plain.conditions == ()
    assert fitted.conditions == ("aligned by affine",)
    assert fitted["RMSE"] < plain["RMSE"]
    with pytest.raises(UsageError, match="alignment 'sideways'"):
        model.evaluate(rows, align="sideways")


def test_models_are_evaluated_on_folders(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    folder = tmp_path / "data"
    folder.mkdir()
    lines = ["file_name,mask,depth"]
    for i in range(3):
        Image.fromarray(draws.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(folder / f"{i}.png")
        Image.fromarray(draws.integers(0, 3, (40, 48), dtype=np.uint8)).save(folder / f"{i}-mask.png")
        np.save(folder / f"{i}.npy", draws.uniform(0.5, 4, (40, 48)))
        lines.append(f"{i}.png,{i}-mask.png,{i}.npy")
    (folder / "metadata.csv").write_text("\n".join(lines))
    model = load(tiny.segformer(tmp_path / "segformer"))
    found = model.evaluate(folder)
    answers = model.predict([str(folder / f"{i}.png") for i in range(3)])
    grids = [grid_of(folder / f"{i}-mask.png") for i in range(3)]
    right = sum((grid == model.labels.index(mask.label))[mask.mask].sum()
                for grid, masks in zip(grids, answers, strict=True) for mask in masks)  # fmt: skip
    assert found["pixel accuracy"] == pytest.approx(right / (3 * 40 * 48))
    assert 0 < found["mIoU"] < found["pixel accuracy"]
    depth = load(tiny.glpn(tmp_path / "glpn"))
    assert depth.evaluate(folder)["AbsRel"] > 0
    boxes = [{"image": str(folder / f"{i}.png"),
              "objects": [{"box": d.box, "label": d.label} for d in detections]}
             for i, detections in enumerate(load(tiny.yolos(tmp_path / "yolos")).predict(
                 [str(folder / f"{i}.png") for i in range(3)], threshold=0.0))]  # fmt: skip
    assert load(tmp_path / "yolos").evaluate(boxes)["mAP"] == pytest.approx(1.0)
    with pytest.raises(DataError, match="does not know 1 of the labels: horse"):
        load(tmp_path / "yolos").evaluate(
            [{"image": boxes[0]["image"], "objects": [{"box": [0, 0, 1, 1], "label": "horse"}]}]
        )
