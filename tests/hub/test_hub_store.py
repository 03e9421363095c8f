"""The store under stress: wrong hashes, lying sizes, vanished clients, races, full disks, garbage."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hubserving import Server, Starter, run_client
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from zoohub.hub.api import lfs
from zoohub.hub.maintenance import check, collect
from zoohub.hub.trees import Trees

BODY = random.Random(11).randbytes(3_000_000)
OID = hashlib.sha256(BODY).hexdigest()


def objects(server: Server) -> list[Path]:
    return [path for path in (server.folder / "hub" / "objects").rglob("*") if path.is_file()]


def put_address(server: Server, repo: str, oid: str = OID, size: int = len(BODY)) -> str:
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": size}]}
    user = repo.split("/")[0]
    answer = server.ask("POST", f"/{repo}.git/info/lfs/objects/batch", body, token=server.token(user)).json()
    return answer["objects"][0]["actions"]["upload"]["href"].removeprefix(server.url)


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (BODY[:-1] + b"x", 400, "SHA-256"),
        (BODY[:-1], 400, "bytes long"),
        (BODY + b"x", 413, "larger"),
        (b"", 400, "bytes long"),
    ],
    ids=["another", "short", "long", "empty"],
)
def test_what_is_not_what_it_says_is_not_kept(server: Server, sent: bytes, status: int, reason: str) -> None:
    server.user("wro").create_repo("wro/m", exist_ok=True)
    before = len(objects(server))
    answer = server.ask("PUT", put_address(server, "wro/m"), sent)
    assert (answer.status, reason in answer.json()["error"]) == (status, True)
    assert len(objects(server)) == before
    assert list(server.hub.incoming.folder.iterdir()) == []


def test_a_signed_address_is_good_for_nothing_else(server: Server) -> None:
    server.user("sig").create_repo("sig/m")
    address = put_address(server, "sig/m")
    signed = address.rsplit("/", 1)[1]
    tampered = signed[:-2] + ("A" if signed[-2] != "A" else "B") + signed[-1]
    assert server.ask("PUT", f"/lfs/put/{tampered}", BODY).status == 401
    assert server.ask("GET", "/api/whoami-v2", Authorization=f"Bearer {signed}").status == 401
    assert server.ask("POST", "/xet/1/v1/shards", b"x", Authorization=f"Bearer {signed}").status == 401


def test_a_client_that_vanishes_leaves_nothing_and_may_come_again(server: Server) -> None:
    server.user("van").create_repo("van/m")
    address = put_address(server, "van/m")
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        head = f"PUT {address} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
        raw.sendall(head.encode() + BODY[:1_000_000])
    deadline = time.monotonic() + 10
    while list(server.hub.incoming.folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert server.hub.blobs.get(OID) is None
    assert server.ask("PUT", address, BODY).status == 200
    assert server.ask("PUT", address, BODY).status == 200
    blob = server.hub.blobs.get(OID)
    assert blob is not None
    assert server.hub.blobs.read(blob) == BODY


def test_upload_in_parts(start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lfs, "PART", 700_000)
    server = start(multipart_from=1_000_000)
    env = server.client_env("ann", tmp_path, HF_HUB_DISABLE_XET="1")
    (tmp_path / "w.bin").write_bytes(BODY)
    code = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo("ann/m")
api.upload_file(path_or_fileobj=sys.argv[1], path_in_repo="w.bin", repo_id="ann/m")
"""
    run_client(env, code, str(tmp_path / "w.bin"))
    assert server.ask("GET", "/ann/m/resolve/main/w.bin").body == BODY
    assert list(server.hub.incoming.folder.iterdir()) == []


def test_of_two_pushes_on_one_parent_one_wins(server: Server) -> None:
    api = server.user("rac")
    api.create_repo("rac/m")
    head = api.model_info("rac/m").sha

    def push(number: int) -> int:
        add = [CommitOperationAdd(f"{number}.txt", b"x")]
        try:
            api.create_commit("rac/m", add, commit_message=str(number), parent_commit=head)
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(push, range(6))) == [200] + [412] * 5
    assert len(api.list_repo_files("rac/m")) == 1


def test_pushes_without_a_parent_all_arrive(server: Server) -> None:
    api = server.user("all")
    api.create_repo("all/m")

    def push(number: int) -> str:
        add = [CommitOperationAdd(f"{number}.txt", str(number).encode())]
        return api.create_commit("all/m", add, commit_message=str(number)).oid

    with ThreadPoolExecutor(8) as pool:
        oids = set(pool.map(push, range(16)))
    assert len(api.list_repo_files("all/m")) == 16
    assert {commit.commit_id for commit in api.list_repo_commits("all/m")} >= oids


def test_garbage_is_what_nobody_needs(start: Starter) -> None:
    server = start()
    api = server.user("ann")
    for name in ("keep", "drop"):
        api.create_repo(f"ann/{name}")
        api.upload_file(path_or_fileobj=BODY, path_in_repo="shared.bin", repo_id=f"ann/{name}")
        own = random.Random(name).randbytes(500_000)
        api.upload_file(path_or_fileobj=own, path_in_repo="own.bin", repo_id=f"ann/{name}")
    api.upload_file(path_or_fileobj=b"t" * 1000, path_in_repo="old.txt", repo_id="ann/keep")
    api.delete_file("old.txt", "ann/keep")
    server.ask(
        "PUT", put_address(server, "ann/keep", hashlib.sha256(b"y").hexdigest(), 1), b"y"
    )  # not committed
    api.delete_repo("ann/drop")
    fresh = collect(server.hub)
    assert (fresh.blobs, fresh.packs) == (0, 0)  # everything is younger than the grace
    swept = collect(server.hub, grace=-1, pack_grace=-1)
    assert swept.blobs == 2  # the own file of the deleted repository, and what was sent and never committed
    assert server.ask("GET", "/ann/keep/resolve/main/shared.bin").body == BODY
    assert api.hf_hub_download("ann/keep", "old.txt", revision=api.list_repo_commits("ann/keep")[1].commit_id)
    assert check(server.hub).faults == []
    api.super_squash_history("ann/keep")
    assert collect(server.hub, grace=-1, pack_grace=-1).blobs == 1  # old.txt lives in no revision any more
    assert check(server.hub).faults == []
    api.delete_repo("ann/keep")
    collect(server.hub, grace=-1, pack_grace=-1)
    assert objects(server) == []


# The client itself sends bytes in a way that its HTTP library warns of.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_garbage_collection_beside_uploads(start: Starter) -> None:
    server = start()
    api = server.user("ann")
    api.create_repo("ann/m")
    stop = threading.Event()
    failures: list[BaseException] = []
    swept: list[int] = []

    def sweep() -> None:
        while not stop.is_set():
            try:
                swept.append(collect(server.hub, grace=1.5).blobs)
            except BaseException as error:
                failures.append(error)
                return

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(8):
            body = random.Random(number % 3).randbytes(200_000)  # the same bytes come, go and come again
            path = f"{number % 2}.bin"
            # A file object goes by LFS, so each is a blob of its own that comes and goes.
            api.upload_file(path_or_fileobj=io.BytesIO(body), path_in_repo=path, repo_id="ann/m")
            assert server.ask("GET", f"/ann/m/resolve/main/{path}").body == body
            if number % 4 == 3:
                api.super_squash_history("ann/m")
                time.sleep(1.8)
    finally:
        stop.set()
        sweeper.join()
    assert failures == []
    assert sum(swept) > 0
    assert check(server.hub).faults == []


def test_fsck_finds_what_is_damaged(start: Starter) -> None:
    server = start()
    api = server.user("ann")
    api.create_repo("ann/m")
    for name in ("a", "b", "c"):
        body = random.Random(name).randbytes(100_000)
        oid = hashlib.sha256(body).hexdigest()
        server.ask("PUT", put_address(server, "ann/m", oid, len(body)), body)
        api.upload_file(path_or_fileobj=body, path_in_repo=f"{name}.bin", repo_id="ann/m")
    assert check(server.hub).faults == []
    blobs = sorted((server.folder / "hub" / "objects" / "blobs").rglob("*"))
    files = [path for path in blobs if path.is_file()]
    flipped = bytearray(files[0].read_bytes())
    flipped[5] ^= 1
    files[0].write_bytes(flipped)
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:-1])
    faults = check(server.hub).faults
    assert len(faults) == 3, faults
    assert any(files[0].name in fault and "another SHA-256" in fault for fault in faults)
    assert sum("missing or too short" in fault for fault in faults) == 2
    assert len(check(server.hub, contents=False).faults) == 2


def test_no_room_is_said_before_and_while_writing(start: Starter) -> None:
    server = start()
    server.user("ann").create_repo("ann/m")
    address = put_address(server, "ann/m")
    object.__setattr__(server.hub.config, "disk_reserve", 1 << 60)  # frozen: only a test turns a running hub
    answer = server.ask("PUT", address, BODY)
    assert (answer.status, "disk is full" in answer.json()["error"]) == (507, True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(start: Starter, small_disk: Path) -> None:
    server = start(storage=str(small_disk))
    api = server.user("ann")
    api.create_repo("ann/m")
    api.upload_file(path_or_fileobj=BODY, path_in_repo="a.bin", repo_id="ann/m")
    big = random.Random(1).randbytes(7_000_000)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request(  # no length is said, so the disk fills while the file arrives
        "PUT",
        put_address(server, "ann/m", hashlib.sha256(big).hexdigest(), len(big)),
        iter([big]),
        encode_chunked=True,
    )
    assert connection.getresponse().status == 507
    connection.close()
    assert list(server.hub.incoming.folder.iterdir()) == []
    assert check(server.hub).faults == []
    api.upload_file(path_or_fileobj=b"small", path_in_repo="b.txt", repo_id="ann/m")
    assert server.ask("GET", "/ann/m/resolve/main/a.bin").body == BODY


def test_a_full_disk_ends_an_upload_at_once(start: Starter, small_disk: Path, tmp_path: Path) -> None:
    server = start(storage=str(small_disk))
    server.user("ann").create_repo("ann/full")
    (tmp_path / "w.bin").write_bytes(random.Random(2).randbytes(9_000_000))
    code = "from huggingface_hub import HfApi; import sys; HfApi().upload_file(path_or_fileobj=sys.argv[1], path_in_repo='w.bin', repo_id='ann/full')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w.bin")], env=server.client_env("ann", tmp_path / "c"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "413" in done.stderr, done.stderr[-2000:]
    assert list(server.hub.incoming.folder.iterdir()) == []
    assert check(server.hub).faults == []


def test_a_full_disk_under_the_database_loses_no_commit(start: Starter, small_disk: Path) -> None:
    server = start(database=f"sqlite:///{small_disk / 'registry.db'}")
    api, token = server.user("ann"), server.token("ann")
    api.create_repo("ann/m")
    kept = [api.upload_file(path_or_fileobj=b"1", path_in_repo="1.txt", repo_id="ann/m").oid]
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as out:
        while True:
            out.write(bytes(4096))
    statuses = []
    for number in range(40):
        lines = (
            {"key": "header", "value": {"summary": f"s{number}"}},
            {"key": "file", "value": {"path": f"f{number}.txt", "content": str(number) * 5000}},
        )
        body = "\n".join(map(json.dumps, lines))
        answer = server.ask("POST", "/api/models/ann/m/commit/main", body, token=token)
        statuses.append(answer.status)
        kept += [answer.json()["commitOid"]] if answer.status == 200 else []
    assert 507 in statuses
    assert set(statuses) <= {200, 507}
    filler.unlink()
    kept.append(api.upload_file(path_or_fileobj=b"2", path_in_repo="2.txt", repo_id="ann/m").oid)
    commits = [commit.commit_id for commit in api.list_repo_commits("ann/m")]
    assert commits[:-1] == kept[::-1]
    assert check(server.hub).faults == []


def test_trees_are_shared_and_immutable(start: Starter) -> None:
    server = start()
    with server.hub.db.write() as connection:
        trees = Trees(server.hub.db, connection)
        from zoohub.hub.trees import EMPTY_TREE, Entry

        one = trees.apply(
            EMPTY_TREE,
            {"a/b/c.txt": Entry("c.txt", "1" * 40, 1, "f" * 64), "d.txt": Entry("d.txt", "2" * 40)},
        )
        two = trees.apply(one, {"e.txt": Entry("e.txt", "3" * 40)})
        assert trees.load(one)["a"].oid == trees.load(two)["a"].oid
        assert trees.apply(two, {"e.txt": None}) == one
        assert trees.apply(one, {"a/b/c.txt": None, "d.txt": None}) == EMPTY_TREE
        assert trees.apply(one, {"a": None, "d.txt": None}) == EMPTY_TREE
        with pytest.raises(Exception, match="file and a folder"):
            trees.apply(one, {"a/b": Entry("b", "4" * 40)})
        with pytest.raises(Exception, match="file and a folder"):
            trees.apply(one, {"d.txt/x": Entry("x", "4" * 40)})
