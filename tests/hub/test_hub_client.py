"""The unmodified Hugging Face client against a real hub: default (Xet) and LFS transport, command line."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hubserving import Server, run_client
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

TRANSPORTS = {"xet": {}, "lfs": {"HF_HUB_DISABLE_XET": "1"}}

ROUND_TRIP = """
import sys
from huggingface_hub import HfApi, snapshot_download
api = HfApi()
repo = api.create_repo(sys.argv[1], exist_ok=True).repo_id
print(api.upload_folder(repo_id=repo, folder_path=sys.argv[2]).oid)
print(snapshot_download(repo))
"""


def make_model(folder: Path, *, size: int = 3_000_000, seed: int = 0) -> Path:
    """A folder with text, a nested file, an empty one, and large files that share most of their bytes."""
    folder.mkdir(parents=True)
    body = random.Random(seed).randbytes(size)
    (folder / "a.bin").write_bytes(body)
    (folder / "b.bin").write_bytes(body[: size // 2] + b"other" + body[size // 2 :])
    (folder / "zeros.bin").write_bytes(bytes(size))
    (folder / "README.md").write_text(
        "---\nlicense: mit\npipeline_tag: text-classification\n---\n# A model\n"
    )
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "sub folder").mkdir()
    (folder / "sub folder" / "ünïcode 模型.txt").write_text("x")
    (folder / "empty.txt").write_bytes(b"")
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_upload_and_download_round_trip(server: Server, tmp_path: Path, transport: str) -> None:
    source = make_model(tmp_path / "model")
    env = server.client_env("ada", tmp_path, **TRANSPORTS[transport])
    out = run_client(env, ROUND_TRIP, f"ada/trip-{transport}", str(source)).split("\n")
    assert hashes(Path(out[1])) == hashes(source)
    info = server.user("ada").model_info(f"ada/trip-{transport}", files_metadata=True)
    assert info.sha == out[0]
    large = {item.rfilename: item.lfs.sha256 for item in info.siblings or () if item.lfs}
    assert large == {name: hashes(source)[name] for name in ("a.bin", "b.bin", "zeros.bin")}


def test_xet_stores_shared_chunks_once(server: Server, tmp_path: Path) -> None:
    source = make_model(tmp_path / "model", size=8_000_000, seed=7)
    (source / "zeros.bin").unlink()
    (source / "b.bin").unlink()
    env = server.client_env("dee", tmp_path)
    run_client(env, ROUND_TRIP, "dee/base", str(source))
    before = stored(server)
    body = bytearray((source / "a.bin").read_bytes())
    body[4_000_000:4_080_000] = random.Random(8).randbytes(80_000)
    (source / "a.bin").write_bytes(body)
    run_client(env, ROUND_TRIP, "dee/tuned", str(source))
    assert 0 < stored(server) - before <= 0.1 * len(body)


def stored(server: Server) -> int:
    return sum(
        path.stat().st_size for path in (server.folder / "hub" / "objects").rglob("*") if path.is_file()
    )


def test_command_line(server: Server, tmp_path: Path) -> None:
    source = make_model(tmp_path / "model", size=10_000)
    env = server.client_env("carl", tmp_path)

    def hf(*args: str) -> str:
        command = [str(Path(sys.executable).with_name("hf")), *args]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout

    assert "carl" in hf("auth", "whoami")
    hf("repos", "create", "carl/tool", "--private")
    hf("upload", "carl/tool", str(source))
    assert "carl/tool" in hf("models", "ls", "--author", "carl")
    assert "config.json" in hf("models", "ls", "carl/tool", "--tree")
    assert "carl/tool" in hf("models", "info", "carl/tool")
    assert "carl/tool" in hf("repos", "list")
    hf("repos", "settings", "carl/tool", "--public")
    hf("repos", "tag", "create", "carl/tool", "v1")
    hf("repos", "branch", "create", "carl/tool", "dev")
    hf("repos", "move", "carl/tool", "carl/moved")
    folder = Path(hf("download", "carl/tool", "--quiet").strip().removeprefix("path=").strip())
    assert hashes(folder) == hashes(source)
    hf("repos", "delete-files", "carl/moved", "config.json")
    hf("repos", "delete", "carl/moved", "--yes")


def test_history_branches_tags_and_pull_requests(server: Server) -> None:
    api = server.user("eve")
    api.create_repo("eve/history")
    first = api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="eve/history").oid
    api.create_tag("eve/history", tag="v1", tag_message="one")
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_tag("eve/history", tag="v1")
    assert caught.value.response.status_code == 409
    api.create_branch("eve/history", branch="dev")
    api.create_branch("eve/history", branch="dev", exist_ok=True)
    api.upload_file(path_or_fileobj=b"2", path_in_repo="d/b.txt", repo_id="eve/history", revision="dev")
    pull = api.upload_file(path_or_fileobj=b"3", path_in_repo="c.txt", repo_id="eve/history", create_pr=True)
    assert pull.pr_revision == "refs/pr/1"
    assert [f.path for f in api.list_repo_tree("eve/history", revision="refs/pr/1")] == ["a.txt", "c.txt"]
    assert [f.path for f in api.list_repo_tree("eve/history", revision="v1")] == ["a.txt"]
    refs = api.list_repo_refs("eve/history", include_pull_requests=True)
    assert {item.name for item in refs.branches} == {"main", "dev"}
    assert [item.target_commit for item in refs.tags] == [first]
    assert [item.ref for item in refs.pull_requests or ()] == ["refs/pr/1"]
    titles = [commit.title for commit in api.list_repo_commits("eve/history", revision="dev")]
    assert titles == [
        "Upload d/b.txt with huggingface_hub",
        "Upload a.txt with huggingface_hub",
        "initial commit",
    ]
    api.super_squash_history("eve/history", branch="dev", commit_message="one")
    assert [c.title for c in api.list_repo_commits("eve/history", revision="dev")] == ["one"]
    entries = {f.path: f.last_commit.oid for f in api.list_repo_tree("eve/history", expand=True)}  # type: ignore[union-attr]
    assert entries == {"a.txt": first}
    api.delete_tag("eve/history", tag="v1")
    api.delete_branch("eve/history", branch="dev")
    with pytest.raises(HfHubHTTPError):
        api.delete_branch("eve/history", branch="main")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("eve/history", revision="dev")


def test_operations_of_one_commit(server: Server) -> None:
    api = server.user("fay")
    api.create_repo("fay/ops")
    add = [CommitOperationAdd(f"d/{n}.txt", str(n).encode()) for n in range(5)]
    add.append(CommitOperationAdd("big.bin", random.Random(1).randbytes(2_000_000)))
    head = api.create_commit("fay/ops", add, commit_message="add").oid
    changes = [
        CommitOperationDelete("d/0.txt"),
        CommitOperationCopy("big.bin", "copy/big.bin"),
        CommitOperationCopy("d/1.txt", "copy/1.txt"),
    ]
    api.create_commit("fay/ops", changes, commit_message="change", parent_commit=head)
    assert sorted(api.list_repo_files("fay/ops")) == [
        "big.bin", "copy/1.txt", "copy/big.bin", "d/1.txt", "d/2.txt", "d/3.txt", "d/4.txt",
    ]  # fmt: skip
    late = [CommitOperationAdd("late.txt", b"late")]
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_commit("fay/ops", late, commit_message="late", parent_commit=head)
    assert caught.value.response.status_code == 412
    api.delete_folder("d", repo_id="fay/ops")
    assert sorted(api.list_repo_files("fay/ops")) == ["big.bin", "copy/1.txt", "copy/big.bin"]


def test_move_leads_on_and_delete_ends(server: Server, tmp_path: Path) -> None:
    api = server.user("gus")
    api.create_repo("gus/old")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a b.txt", repo_id="gus/old")
    api.move_repo("gus/old", "gus/new")
    assert api.model_info("gus/old").id == "gus/new"
    assert api.model_info("GUS/NEW").id == "gus/new"
    path = api.hf_hub_download("gus/old", "a b.txt", cache_dir=tmp_path)
    assert Path(path).read_text() == "x"
    with pytest.raises(HfHubHTTPError):
        api.create_repo("gus/new")
    api.delete_repo("gus/new")
    for name in ("gus/new", "gus/old"):
        with pytest.raises(RepositoryNotFoundError):
            api.model_info(name)
    api.create_repo("gus/old")
    assert api.model_info("gus/old").id == "gus/old"


def test_datasets_are_apart_from_models(server: Server, tmp_path: Path) -> None:
    api = server.user("hal")
    api.create_repo("hal/same")
    api.create_repo("hal/same", repo_type="dataset")
    api.upload_file(
        path_or_fileobj=b"a,b\n1,2\n", path_in_repo="d.csv", repo_id="hal/same", repo_type="dataset"
    )
    assert api.list_repo_files("hal/same") == []
    assert api.dataset_info("hal/same").siblings[0].rfilename == "d.csv"  # type: ignore[index]
    assert [item.id for item in api.list_datasets(author="hal")] == ["hal/same"]
    file = api.hf_hub_download("hal/same", "d.csv", repo_type="dataset", cache_dir=tmp_path)
    assert Path(file).read_bytes() == b"a,b\n1,2\n"


def test_missing_things_are_told_apart(server: Server, tmp_path: Path) -> None:
    api = server.user("ida")
    api.create_repo("ida/there")
    with pytest.raises(RepositoryNotFoundError):
        api.hf_hub_download("ida/nowhere", "x", cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download("ida/there", "x", revision="nope", cache_dir=tmp_path)
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("ida/there", "x", cache_dir=tmp_path)
    assert list((tmp_path / "models--ida--there" / ".no_exist").rglob("x"))


def test_ranges_and_conditions(server: Server) -> None:
    api = server.user("jon")
    api.create_repo("jon/range")
    body = random.Random(3).randbytes(3_000_000)
    api.upload_file(path_or_fileobj=body, path_in_repo="w.bin", repo_id="jon/range")
    path = "/jon/range/resolve/main/w.bin"
    for header, part in (
        ("bytes=0-9", body[:10]),
        ("bytes=1000000-2500000", body[1_000_000:2_500_001]),
        ("bytes=2999999-", body[-1:]),
        ("bytes=-5", body[-5:]),
        ("bytes=0-99999999", body),
    ):
        answer = server.ask("GET", path, Range=header)
        assert (answer.status, answer.body) == (206, part), header
    assert server.ask("GET", path, Range="bytes=3000000-").status == 416
    whole = server.ask("GET", path, Range="bytes=1-2,5-6")
    assert (whole.status, len(whole.body)) == (200, len(body))
    head = server.ask("HEAD", path)
    assert head.headers["etag"] == f'"{hashlib.sha256(body).hexdigest()}"'
    assert head.headers["content-length"] == str(len(body))
    assert head.body == b""
    assert server.ask("GET", path, If_None_Match=head.headers["etag"]).status == 304


def test_a_file_that_the_client_finds_too_large_is_read_in_ranges(server: Server, tmp_path: Path) -> None:
    api = server.user("ada")
    api.create_repo("ada/huge")
    body = random.Random(8).randbytes(3_000_000)
    api.upload_file(path_or_fileobj=body, path_in_repo="w.bin", repo_id="ada/huge")
    code = """
import hashlib
from huggingface_hub import HfFileSystem, constants, hf_hub_download
constants.MAX_HTTP_DOWNLOAD_SIZE = 1_000_000  # of 50 GB
try:
    hf_hub_download("ada/huge", "w.bin")
except ValueError:
    with HfFileSystem().open("ada/huge/w.bin") as file:
        print(hashlib.file_digest(file, "sha256").hexdigest())
"""
    assert (
        run_client(server.client_env("ada", tmp_path), code).split()[-1] == hashlib.sha256(body).hexdigest()
    )


def test_tree_pages(server: Server) -> None:
    api = server.user("kim")
    api.create_repo("kim/many")
    add = [CommitOperationAdd(f"{n % 7}/{n}.txt", b"x") for n in range(1500)]
    api.create_commit("kim/many", add, commit_message="many")
    assert len(list(api.list_repo_tree("kim/many", recursive=True))) == 1507


@pytest.mark.models
def test_transformers_push_and_load(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    env = server.client_env("lea", tmp_path)
    code = """
import torch
from transformers import AutoModel, BertConfig, BertModel
sizes = dict(num_attention_heads=2, intermediate_size=16, vocab_size=50)
config = BertConfig(hidden_size=16, num_hidden_layers=1, **sizes)
model = BertModel(config)
model.push_to_hub("lea/tiny-bert")
again = AutoModel.from_pretrained("lea/tiny-bert")
assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
print(type(again).__name__)
"""
    assert run_client(env, code, timeout=300).split()[-1] == "BertModel"
