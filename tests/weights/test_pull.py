"""Pulling from a real server that fails in the ways servers fail."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.weights.conftest import tensor_file
from tests.weights.hostile import Evil
from tests.weights.tinyhub import COMMIT, TinyHub
from zoohub.cli.main import zoo
from zoohub.errors import (
    DigestMismatch,
    NeedsCode,
    NotPulled,
    SourceError,
    UnsafeFile,
    UsageError,
    WeightsError,
)
from zoohub.registry import ModelFile, ModelId, ModelRecord
from zoohub.weights import is_trusted, local, plan, pull, store

MODEL = ModelRecord(id="me/model")
WEIGHTS = "model.safetensors"


def fetch(record: ModelRecord = MODEL, **options: Any) -> Path:
    return pull(record, progress=False, **options)


def leftovers() -> list[str]:
    """Everything in the store that is no finished file of a model."""
    return [path.name for path in store().root.rglob("*.incomplete")]


def test_a_pull_brings_the_files_and_lays_them_out_as_the_cache_does(hub: TinyHub) -> None:
    folder = fetch()
    assert folder == store().root / "models--me--model" / "snapshots" / COMMIT
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        WEIGHTS,
        "tokenizer.json",
    ]
    for path in folder.iterdir():
        assert path.read_bytes() == hub.models["me/model"][path.name]
        assert path.is_symlink()
        assert not os.path.isabs(os.readlink(path))
    assert (folder.parents[1] / "refs" / "main").read_text() == COMMIT
    assert local(MODEL) == local("me/model") == folder
    assert leftovers() == []


def test_a_second_pull_fetches_nothing(hub: TinyHub) -> None:
    fetch()
    before = dict(hub.served)
    fetch()
    assert hub.served == before
    hub.requests.clear()
    fetch(revision=COMMIT)
    assert hub.requests == [], "a pinned revision that is here needs no server at all"


def test_a_newer_commit_fetches_only_what_changed(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fetch()
    newer = "beef" + "0" * 36
    monkeypatch.setattr("tests.weights.tinyhub.COMMIT", newer)
    hub.models["me/model"]["tokenizer.json"] = b'{"v": "' + b"y" * 5000 + b'"}'
    before = hub.served[WEIGHTS]
    new = fetch()
    assert new.name == newer
    assert hub.served[WEIGHTS] == before
    assert b"yyy" in (new / "tokenizer.json").read_bytes()
    assert b"xxx" in (old / "tokenizer.json").read_bytes(), "the old revision stays as it was"
    assert local(MODEL) == new


@pytest.mark.parametrize("cuts", [[700_000], [700_000, 400_000, 1, 0, 900_000]])
def test_a_broken_connection_goes_on_where_it_stopped(hub: TinyHub, cuts: list[int]) -> None:
    hub.faults[WEIGHTS] = [("cut", cut) for cut in cuts]
    folder = fetch()
    assert (folder / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]
    assert hub.served[WEIGHTS] == len(hub.models["me/model"][WEIGHTS]), "no byte was fetched twice"


def test_a_server_that_is_down_for_good_leaves_a_part_that_the_next_pull_completes(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("cut", 1_000_000)] + [("status", 503)] * 20
    with pytest.raises(SourceError):
        fetch()
    assert local(MODEL) is None
    assert not (store().root / "models--me--model" / "snapshots").exists()
    served = hub.served[WEIGHTS]
    hub.faults.clear()
    fetch()
    assert hub.served[WEIGHTS] == len(hub.models["me/model"][WEIGHTS])
    assert hub.served[WEIGHTS] - served < len(hub.models["me/model"][WEIGHTS]) - 900_000
    assert leftovers() == []


def test_one_flipped_bit_of_the_same_size_is_noticed_and_not_kept(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("flip", 2_000_000)]
    with pytest.raises(DigestMismatch, match="SHA-256"):
        fetch()
    assert local(MODEL) is None
    assert leftovers() == []
    assert fetch()


@pytest.mark.parametrize("name", ["config.json", "README.md"])
def test_a_flipped_bit_in_a_small_file_is_noticed_by_its_git_digest(hub: TinyHub, name: str) -> None:
    hub.faults[name] = [("flip", 3)]
    with pytest.raises(DigestMismatch, match="git"):
        fetch()
    assert local(MODEL) is None


def test_a_rotten_part_is_fetched_again_from_the_start(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("cut", 1_000_000)] + [("status", 503)] * 20
    with pytest.raises(SourceError):
        fetch()
    [part] = store().root.rglob("*.incomplete")
    data = bytearray(part.read_bytes())
    data[500_000] ^= 1
    part.write_bytes(data)
    hub.faults.clear()
    assert (fetch() / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]


def test_the_digest_that_the_record_pins_counts_more_than_the_servers_word(hub: TinyHub) -> None:
    size = len(hub.models["me/model"][WEIGHTS])
    pinned = replace(MODEL, files=(ModelFile(WEIGHTS, size, "0" * 64),))
    with pytest.raises(DigestMismatch, match=WEIGHTS):
        fetch(pinned)
    with pytest.raises(DigestMismatch, match="bytes"):
        fetch(replace(MODEL, files=(ModelFile(WEIGHTS, size - 1),)))


def test_a_file_that_is_longer_than_promised_is_stopped(hub: TinyHub) -> None:
    promised = hub.info("me/model")
    hub.info = lambda model: promised  # type: ignore[method-assign]
    hub.models["me/model"]["config.json"] = b'{"model_type": "bert", "x": "' + b"x" * 3_000_000 + b'"}'
    with pytest.raises(DigestMismatch, match="bytes"):
        fetch()


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../evil.json", "/etc/cron.d/x", "a\\b.json", "con.json", "x\u202egnp.json"]
)
def test_a_hostile_file_name_refuses_the_whole_model(hub: TinyHub, name: str) -> None:
    hub.models["me/model"][name] = b"{}"
    with pytest.raises((UnsafeFile, SourceError)):
        fetch()
    assert not list(store().root.glob("models--me--model/blobs/*"))


def test_broken_weights_are_refused_and_not_kept(hub: TinyHub) -> None:
    hub.models["me/model"][WEIGHTS] = tensor_file(2_000_000)[:-400]
    with pytest.raises(UnsafeFile, match="the file holds"):
        fetch()
    assert local(MODEL) is None
    sizes = [path.stat().st_size for path in store().root.glob("models--me--model/blobs/*")]
    assert all(size < 1_000_000 for size in sizes)


def test_code_is_refused_before_the_weights_are_fetched_unless_it_is_trusted_by_name(hub: TinyHub) -> None:
    hub.models["me/model"]["config.json"] = json.dumps({"auto_map": {"AutoModel": "modeling_x.X"}}).encode()
    hub.models["me/model"]["modeling_x.py"] = b"class X: pass\n"
    with pytest.raises(NeedsCode, match=f"--trust me/model@{COMMIT}"):
        fetch()
    assert hub.served[WEIGHTS] == 0
    with pytest.raises(UsageError, match="revision is missing"):
        fetch(trust="me/model")
    for wrong in (f"other/model@{COMMIT}", "me/model@main", f"me/model@{'a' * 40}"):
        with pytest.raises(NeedsCode):
            fetch(trust=wrong)
    folder = fetch(trust=f"me/model@{COMMIT}")
    assert (folder / "modeling_x.py").is_file()
    assert is_trusted(folder)


def test_a_trusted_revision_does_not_make_the_next_one_trusted(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.models["me/model"]["config.json"] = json.dumps({"auto_map": {"AutoModel": "modeling_x.X"}}).encode()
    fetch(trust=f"me/model@{COMMIT}")
    fetch()
    monkeypatch.setattr("tests.weights.tinyhub.COMMIT", "beef" + "0" * 36)
    with pytest.raises(NeedsCode):
        fetch()


def test_python_files_stay_away_from_a_model_that_does_not_need_them(hub: TinyHub) -> None:
    hub.models["me/model"]["train.py"] = b"import os\n"
    assert not (fetch() / "train.py").exists()
    assert not (fetch(include=["*"]) / "train.py").exists()


@pytest.mark.models
def test_a_pickle_is_converted_only_when_asked(hub: TinyHub) -> None:
    torch = pytest.importorskip("torch")
    from io import BytesIO

    from safetensors.torch import load_file

    buffer = BytesIO()
    torch.save({"w": torch.arange(1000.0)}, buffer)
    del hub.models["me/model"][WEIGHTS]
    hub.models["me/model"]["pytorch_model.bin"] = buffer.getvalue()
    with pytest.raises(UnsafeFile, match="--convert"):
        fetch()
    folder = fetch(convert=True)
    assert torch.equal(load_file(folder / WEIGHTS)["w"], torch.arange(1000.0))
    assert not (folder / "pytorch_model.bin").exists()
    digests = {path.name for path in (folder.parents[1] / "blobs").iterdir()}
    assert all((folder.parents[1] / "blobs" / digest).read_bytes()[:2] != b"PK" for digest in digests)
    served = hub.served["pytorch_model.bin"]
    assert fetch(convert=True) == folder
    assert hub.served["pytorch_model.bin"] == served, "what was converted is not fetched again"


@pytest.mark.models
def test_a_torchvision_pickle_becomes_a_folder_that_says_what_it_is(hub: TinyHub, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    made = torchvision.models.shufflenet_v2_x0_5(num_classes=3)
    torch.save(made.state_dict(), tmp_path / "m.pth")
    hub.models["me/model"] = {"m.pth": (tmp_path / "m.pth").read_bytes()}
    settings = {"crop_size": 96, "resize_size": 100}
    config = {
        "layout": "torchvision",
        "architecture": "shufflenet_v2_x0_5",
        "num_classes": 3,
        "transforms": settings,
    }
    folder = fetch(replace(MODEL, library="torchvision", config=config), convert=True)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", WEIGHTS]
    from zoohub.adapters import load

    shutil.copytree(folder, tmp_path / "alone")
    model = load(tmp_path / "alone")
    assert model.transform.resize == 100
    assert model.transform.crop == (96, 96)
    assert all(value.equal(model.module.state_dict()[key]) for key, value in made.state_dict().items())


@pytest.mark.models
def test_weights_in_several_pickles_load_after_the_conversion(hub: TinyHub, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=16)  # fmt: skip
    model = transformers.BertModel(config)
    names = list(model.state_dict())
    files: dict[str, bytes] = {"config.json": config.to_json_string().encode()}
    where: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({name: model.state_dict()[name] for name in part}, tmp_path / file)
        files[file] = (tmp_path / file).read_bytes()
        where |= dict.fromkeys(part, file)
    files["pytorch_model.bin.index.json"] = json.dumps({"metadata": {}, "weight_map": where}).encode()
    hub.models["me/parts"] = files
    folder = fetch(ModelRecord(id="me/parts"), convert=True)
    assert sorted(path.name for path in folder.glob("model*")) == [
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]  # fmt: skip
    loaded = transformers.BertModel.from_pretrained(folder)
    assert all(torch.equal(loaded.state_dict()[name], model.state_dict()[name]) for name in names)


@pytest.mark.models
def test_a_hostile_pickle_is_not_converted_and_not_kept(hub: TinyHub) -> None:
    pytest.importorskip("torch")
    del hub.models["me/model"][WEIGHTS]
    hub.models["me/model"]["pytorch_model.bin"] = pickle.dumps({"x": Evil(), "pad": "x" * 2000}, 2)
    with pytest.raises(UnsafeFile, match=r"posix\.system"):
        fetch(convert=True)
    assert local(MODEL) is None
    assert not any(b"posix" in path.read_bytes() for path in store().root.rglob("*") if path.is_file())


# --- choosing files -----------------------------------------------------------------------------


def test_include_exclude_and_the_plan(hub: TinyHub) -> None:
    hub.models["me/model"]["pytorch_model.bin"] = b"\x80\x02}."
    hub.models["me/model"]["onnx/model.onnx"] = b"x" * 2000
    told = plan(MODEL)
    assert told.revision == COMMIT
    assert {file.path for file in told.selection.take} == {
        "config.json",
        "tokenizer.json",
        "README.md",
        WEIGHTS,
    }
    left = {file.path: why for file, why in told.selection.leave}
    assert left["pytorch_model.bin"] == "a safe format is there"
    assert not store().root.exists(), "a plan writes nothing"

    folder = fetch(include=["*.json"])
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "tokenizer.json"]
    assert local(MODEL) is None, "a part of a model is no model"
    whole = fetch()
    assert whole == folder
    assert local(MODEL) == folder
    fetch(exclude=["*.safetensors"])
    assert local(MODEL) == folder, "a later pull of a part takes nothing away"


def test_nothing_to_pull_is_said(hub: TinyHub) -> None:
    with pytest.raises(WeightsError, match="no file"):
        fetch(include=["nothing*"])
    with pytest.raises(SourceError):
        fetch(ModelRecord(id="me/unknown"))


# --- other places, no network -------------------------------------------------------------------


def test_offline_uses_what_is_here_and_says_what_is_not(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fetch()
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch() == folder
    with pytest.raises(NotPulled, match="zoo pull me/other"):
        fetch(ModelRecord(id="me/other"))
    assert hub.requests == []


def test_a_copy_that_is_here_serves_when_no_server_answers(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fetch()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("zoohub.registry.sources.transport.ATTEMPTS", 1)
    assert fetch() == folder
    assert "the copy on this machine is used" in capsys.readouterr().err


def test_the_stored_token_goes_to_the_hub_it_is_for(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_for_this_endpoint")
    fetch()
    sent = {headers.get("authorization") for _, _, headers in hub.requests}
    assert sent == {"Bearer hf_for_this_endpoint"}


def test_a_redirect_to_another_host_is_followed_without_the_token(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with TinyHub(hub.models) as elsewhere:
        hub.cdn = elsewhere.url.replace("127.0.0.1", "localhost")
        assert (fetch() / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]
        assert elsewhere.requests
        assert {headers.get("authorization") for _, _, headers in elsewhere.requests} == {None}


def test_mirrors_are_tried_in_order_and_get_no_token(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with TinyHub(hub.models) as mirror, TinyHub({}) as empty:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        monkeypatch.setenv("HF_ENDPOINT", empty.url)
        monkeypatch.setenv("ZOO_MIRRORS", f"{empty.url}/nothing, {mirror.url}")
        folder = fetch()
        assert (folder / WEIGHTS).is_file()
        assert folder.parents[1].name == "models--me--model", "a mirror of the hub holds the same model"
        assert {headers.get("authorization") for _, _, headers in mirror.requests} == {None}


def test_a_model_is_taken_from_another_place_that_the_record_names(hub: TinyHub) -> None:
    record = ModelRecord(id="gone/model", mirrors=("me/model",))
    folder = fetch(record)
    assert folder.parents[1].name == "models--me--model"
    assert local(record) == folder
    wrong = replace(record, files=(ModelFile(WEIGHTS, None, "0" * 64),))
    shutil.rmtree(store().root)
    with pytest.raises(DigestMismatch):
        fetch(wrong)


def test_what_the_hugging_face_client_downloaded_is_taken_and_verified(
    hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "theirs"))
    blobs = tmp_path / "theirs" / "models--me--model" / "blobs"
    blobs.mkdir(parents=True)
    data = hub.models["me/model"][WEIGHTS]
    theirs = blobs / hashlib.sha256(data).hexdigest()
    theirs.write_bytes(data)
    folder = fetch()
    assert hub.served[WEIGHTS] == 0
    assert (folder / WEIGHTS).read_bytes() == data

    shutil.rmtree(store().root)
    theirs.write_bytes(data[:-1] + b"?")  # rotten on their disk: fetched after all
    assert (fetch() / WEIGHTS).read_bytes() == data
    assert hub.served[WEIGHTS] == len(data)


# --- violence -----------------------------------------------------------------------------------

CHILD = "from zoohub.cli.main import main; main(['pull', 'me/model', '--quiet'])"


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_for_bytes(hub: TinyHub, least: int) -> None:
    deadline = time.monotonic() + 60
    while hub.served[WEIGHTS] < least:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("violence", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_pull_leaves_no_half_and_the_next_one_goes_on(
    hub: TinyHub, violence: signal.Signals
) -> None:
    hub.faults[WEIGHTS] = [("slow", 0.05)]
    child = start()
    wait_for_bytes(hub, 1_500_000)
    child.send_signal(violence)
    _, told = child.communicate(timeout=30)
    assert child.returncode == (130 if violence == signal.SIGINT else -signal.SIGKILL)
    if violence == signal.SIGINT:
        assert "Traceback" not in told
        assert "Stopped" in told
    assert local("me/model") is None
    [part] = store().root.rglob("*.incomplete")
    assert part.stat().st_size >= 1_000_000

    kept = part.stat().st_size
    again = start()
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert hub.downloads(WEIGHTS) == [None, f"bytes={kept}-"]
    folder = local("me/model")
    assert folder
    assert (folder / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]
    assert leftovers() == []


def test_two_pulls_at_once_fetch_each_file_once(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("slow", 0.01)]
    children = [start() for _ in range(3)]
    for child in children:
        out, told = child.communicate(timeout=60)
        assert child.returncode == 0, told
        assert out.strip().endswith(COMMIT)
    assert hub.served[WEIGHTS] == len(hub.models["me/model"][WEIGHTS])
    assert leftovers() == []


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file system of 2 MB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs rights")
    monkeypatch.setenv("ZOO_STORE", str(place / "store"))
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(hub: TinyHub, small_disk: Path) -> None:
    with pytest.raises(WeightsError, match=r"needs 3,\d\d\d,\d\d\d bytes"):
        fetch()
    assert hub.served[WEIGHTS] == 0


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_half_written(
    hub: TinyHub, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(small_disk)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(WeightsError, match="No space left"):
        fetch()
    assert leftovers() == []
    assert local(MODEL) is None


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from zoohub.cli.main import main
main(['pull', 'me/model', '--quiet'])
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of a process")
def test_a_file_that_may_not_grow_is_said_by_the_command_without_a_traceback(hub: TinyHub) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "ZOO_STORE" in done.stderr
    assert "Traceback" not in done.stderr
    assert leftovers() == []


# --- the commands -------------------------------------------------------------------------------


def test_the_commands(hub: TinyHub) -> None:
    def run(*arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(zoo, list(arguments))
        assert done.exit_code == code, (done.output, done.exception)
        return done

    dry = run("pull", "me/model", "--dry-run", "--format", "jsonl")
    assert {json.loads(line)["what"] for line in dry.stdout.splitlines()} == {"fetch", "leave"}
    folder = Path(run("pull", "me/model", "-q").stdout.strip())
    assert (folder / WEIGHTS).is_file()
    [row] = json.loads(run("store", "list", "--format", "json").stdout)
    assert (row["id"], row["files"], row["path"]) == ("me/model", 4, str(folder))
    assert run("check", "me/model").exit_code == 0
    assert run("store", "verify").exit_code == 0

    blob = (folder / WEIGHTS).resolve()
    data = bytearray(blob.read_bytes())
    data[1_000_000] ^= 1
    blob.write_bytes(data)
    [bad] = json.loads(run("store", "verify", "me/model", "--fix", "--format", "json", code=1).stdout)
    assert bad["damaged"] == [WEIGHTS]
    assert local("me/model") is None
    run("pull", "me/model", "-q")
    assert (folder / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]

    run("store", "rm", "me/model")
    assert run("store", "list").stdout == ""
    assert isinstance(CliRunner().invoke(zoo, ["store", "rm", "me/model"]).exception, NotPulled)
    assert isinstance(CliRunner().invoke(zoo, ["check", "me/model"]).exception, NotPulled)


def test_a_folder_of_ones_own_is_checked_and_returned_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(tensor_file(1000))
    assert pull(str(folder)) == folder == local(str(folder))
    (folder / "x.pkl").write_bytes(pickle.dumps(Evil(), 2))
    with pytest.raises(UnsafeFile, match=r"posix\.system"):
        pull(str(folder))
    with pytest.raises(WeightsError, match="no folder"):
        pull(ModelId("folder", str(tmp_path / "gone")))


@pytest.mark.models
def test_transformers_finds_the_model_in_the_store_offline(hub: TinyHub, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=16)  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path / "tiny")
    hub.models["me/tiny"] = {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir()}
    fetch(ModelRecord(id="me/tiny"))
    code = (
        "import transformers; model = transformers.AutoModel.from_pretrained('me/tiny'); "
        "print(sum(p.numel() for p in model.parameters()))"
    )
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(store().root),
        "HF_HOME": str(tmp_path),
    }
    hub.requests.clear()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
    assert hub.requests == []


def test_threads_of_one_process_may_pull_at_once(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("slow", 0.01)]
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == 1
    assert len(found) == 3
    assert hub.served[WEIGHTS] == len(hub.models["me/model"][WEIGHTS])
