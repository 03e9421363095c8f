"""The machine, the clock and the calibrating batch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoohub import settings
from zoohub.cli.main import zoo
from zoohub.registry import ModelRecord, Registry
from zoohub.selector import backbones
from zoohub.selector.clock import ANCHOR_PARAMETERS, Clock, clock, gpu_law, remember
from zoohub.selector.footprint import Shape, estimate, shape
from zoohub.selector.hardware import Machine, largest, machine


def test_the_machine_is_known():
    here = machine()
    assert here.cores >= 1
    assert here.memory is None or here.memory > 1e8
    assert "cores" in str(here)


def test_the_gpu_with_most_memory_counts():
    listing = "NVIDIA T4, 15360\nNVIDIA H100 80GB HBM3, 81559\n"
    assert largest(listing) == ("NVIDIA H100 80GB HBM3", 81559 * 2**20)
    assert largest("") == (None, None)
    assert largest("NVIDIA T4, [N/A]\nodd line") == (None, None)
    assert Machine(4, 16e9, "NVIDIA T4", 15e9).training_memory == 15e9


def test_on_a_gpu_size_counts_less_than_on_a_cpu():
    cpu, gpu = Clock(Machine(4)), Clock(Machine(4, None, "NVIDIA T4"))
    small, large = (86e6, 197, 1000), (344e6, 197, 1000)
    assert cpu.training(*large) / cpu.training(*small) == pytest.approx(4.0)
    assert gpu.training(*large) / gpu.training(*small) == pytest.approx(4**0.52)
    assert gpu.training(*small) < cpu.training(*small)
    assert gpu_law(ANCHOR_PARAMETERS, 197, 20_000) < 2 * gpu_law(ANCHOR_PARAMETERS, 197, 10_000)
    assert cpu.training(1e8, 128, 0) == 0.0


def test_a_measured_level_counts_and_narrows_the_band():
    small = Shape(10**7, 384, 6, 128)
    before = estimate(small, "full", samples=1000).seconds
    remember(3.0, machine())
    after = estimate(small, "full", samples=1000).seconds
    assert after.middle == pytest.approx(3.0 * before.middle)
    assert after.high / after.middle < before.high / before.middle
    (settings.home() / "machine.json").write_text('{"not": "what was asked"}')
    assert clock().level is None
    (settings.home() / "machine.json").write_text("no json")
    assert clock().level is None


@pytest.mark.parametrize(
    ("model", "network"),
    [
        ("timm/resnet50.a1_in1k", "resnet50"),
        ("microsoft/resnet-101", "resnet101"),
        ("mask-rcnn_x101-64x4d_fpn_1x_coco", "resnext101_64x4d"),
        ("ld_r18-gflv1-r101_fpn_1x_coco", "resnet18"),
        ("faster-rcnn_hrnetv2p-w32-1x_coco", "hrnet_w32"),
        ("google/efficientnet-b2", "efficientnet_b2"),
        ("cascade-mask-rcnn_convnext-s-p4-w7", "convnext_small"),
        ("google/vit-base-patch16-224", None),
        ("bert-base-uncased", None),
    ],
)
def test_names_spell_networks(model, network):
    found = backbones.of(model)
    assert (found.name if found else None) == network


def test_detectors_need_what_their_layers_put_out():
    small, large = (backbones.detector_memory(f"faster-rcnn_{n}_fpn") for n in ("r50", "x101-64x4d"))
    assert 3e9 < small < large < 15e9
    assert backbones.detector_memory("mask-rcnn_r50_fpn") > small
    assert backbones.detector_memory("faster-rcnn_r50_fpn", half=True) < small
    assert backbones.detector_memory("detr") is None


def test_a_known_network_keeps_what_was_counted():
    known = ModelRecord("timm/resnet50.a1_in1k", task="image-classification", parameters=25_560_000)
    one = estimate(shape(known), "full", batch=1).memory.middle
    many = estimate(shape(known), "full", batch=65).memory.middle
    assert (many - one) / 64 == pytest.approx(backbones.known()["resnet50"].kept(224**2))


def fit(*args: str) -> dict:
    done = CliRunner().invoke(zoo, ["fit", "org/m", *args, "--format", "json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_fit_tells_time_and_takes_the_machines_memory():
    with Registry.open(catalog=False) as registry:
        registry.add([ModelRecord("org/m", task="text-classification", parameters=10_000_000)])
    found = fit("--strategy", "full", "--samples", "2000")
    assert found["memory"] == machine().training_memory
    assert (
        found["footprint"]["seconds"]["middle"]
        > fit("--strategy", "full")["footprint"]["seconds"]["middle"]
        > 0
    )


@pytest.mark.models
def test_one_real_batch_calibrates(tmp_path: Path):
    pytest.importorskip("torch")
    from zoohub.selector.calibrate import calibrate

    found = calibrate(Shape(3_000_000, 96, 2, 32))
    assert found.seconds > 0
    assert clock().level == pytest.approx(found.level)
    assert found.level == pytest.approx(found.seconds / found.expected_seconds)
