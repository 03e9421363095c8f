"""Pull-through of an upstream hub (a real one of our own), import, export; the leash on what may be asked."""

from __future__ import annotations

import hashlib
import http.server
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubserving import Server, Starter, run_client
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from zoohub.errors import ZooError
from zoohub.hub.errors import Unavailable
from zoohub.hub.transfer import export_repo, import_model
from zoohub.hub.upstream import Upstream, is_public

BODY = random.Random(5).randbytes(3_000_000)
CARD = b"---\nlicense: mit\npipeline_tag: text-classification\n---\n# Up\n"


@pytest.fixture
def upstream(start: Starter) -> Server:
    server = start()
    api = server.user("up")
    api.create_repo("up/model")
    for path, body in (("README.md", CARD), ("w.bin", BODY), ("d/c.json", b"{}")):
        api.upload_file(path_or_fileobj=body, path_in_repo=path, repo_id="up/model")
    return server


def mirror_of(start: Starter, upstream: Server, **settings) -> Server:
    return start(upstream=upstream.url, upstream_private_addresses=True, **settings)


def stored(server: Server) -> set[str]:
    return {path.name for path in (server.folder / "hub" / "objects" / "blobs").rglob("*") if path.is_file()}


def test_what_is_asked_for_is_fetched_once_and_kept(start: Starter, upstream: Server, tmp_path: Path) -> None:
    mirror = mirror_of(start, upstream)
    code = "import sys\nfrom huggingface_hub import snapshot_download\nprint(snapshot_download('up/model'))"
    folder = Path(run_client(mirror.client_env("ann", tmp_path), code).strip())
    assert (folder / "w.bin").read_bytes() == BODY
    assert (folder / "README.md").read_bytes() == CARD
    assert folder.name == upstream.user("up").model_info("up/model").sha
    assert hashlib.sha256(BODY).hexdigest() in stored(mirror)
    assert [item.id for item in mirror.user("ann").list_models(filter="license:mit")] == ["up/model"]
    mirror.hub.mirror.upstream = None  # the network is gone
    again = Path(run_client(mirror.client_env("ann", tmp_path / "again"), code).strip())
    assert (again / "w.bin").read_bytes() == BODY


def test_a_branch_is_renewed_when_it_is_old(start: Starter, upstream: Server) -> None:
    mirror = mirror_of(start, upstream, upstream_max_age=0)
    lazy = mirror_of(start, upstream)
    first = mirror.user("ann").model_info("up/model").sha
    assert lazy.user("ann").model_info("up/model").sha == first
    upstream.user("up").upload_file(path_or_fileobj=b"2", path_in_repo="new.txt", repo_id="up/model")
    assert "new.txt" in mirror.user("ann").list_repo_files("up/model")
    assert lazy.user("ann").model_info("up/model").sha == first
    assert mirror.user("ann").list_repo_files("up/model", revision=first) == [
        "README.md",
        "d/c.json",
        "w.bin",
    ]


def test_nobody_writes_to_a_mirrored_repository(start: Starter, upstream: Server) -> None:
    mirror = mirror_of(start, upstream)
    api = mirror.user("root", admin=True)
    api.model_info("up/model")
    with pytest.raises(HfHubHTTPError, match="copy of"):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="up/model")


def test_only_what_the_list_allows(start: Starter, upstream: Server) -> None:
    mirror = mirror_of(start, upstream, upstream_allow="other/*,UP/mod*")
    assert mirror.user("ann").model_info("up/model").id == "up/model"
    strict = mirror_of(start, upstream, upstream_allow="other/*")
    with pytest.raises(RepositoryNotFoundError):
        strict.user("ann").model_info("up/model")


def test_offline_asks_nobody(start: Starter, upstream: Server) -> None:
    mirror = mirror_of(start, upstream, offline=True)
    with pytest.raises(RepositoryNotFoundError):
        mirror.user("ann").model_info("up/model")


def test_private_ones_upstream_stay_there(start: Starter, upstream: Server) -> None:
    upstream.user("up").create_repo("up/secret", private=True)
    with pytest.raises(RepositoryNotFoundError):
        mirror_of(start, upstream).user("ann").model_info("up/secret")


def test_a_file_that_is_not_what_was_promised_never_arrives(
    start: Starter, upstream: Server, tmp_path: Path
) -> None:
    mirror = mirror_of(start, upstream)
    path = next((upstream.folder / "hub" / "objects").rglob(hashlib.sha256(BODY).hexdigest()), None)
    if path is None:  # sent by Xet: the bytes lie in a pack
        path = max((upstream.folder / "hub" / "objects" / "packs").rglob("*"), key=lambda p: p.stat().st_size)
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 1
    path.write_bytes(damaged)
    for _ in range(2):
        with pytest.raises(Exception):  # noqa: B017, PT011  # the connection breaks off before the end
            mirror.ask("GET", "/up/model/resolve/main/w.bin")
    assert hashlib.sha256(BODY).hexdigest() not in stored(mirror)


def test_an_upstream_that_names_a_private_hash_is_not_given_the_bytes(
    start: Starter, upstream: Server
) -> None:
    mirror = mirror_of(start, upstream)
    owner = mirror.user("ann")
    owner.create_repo("ann/vault", private=True)
    owner.upload_file(path_or_fileobj=BODY, path_in_repo="w.bin", repo_id="ann/vault")
    mirror.user("bob").model_info("up/model")
    mirror.hub.mirror.upstream = None
    assert mirror.ask("GET", "/up/model/resolve/main/w.bin").status == 503


def test_import_and_export(start: Starter, upstream: Server, tmp_path: Path) -> None:
    server = start()
    server.token("root", admin=True)
    actor = server.hub.accounts.as_user(server.hub.accounts.need("root").id)
    import_model(server.hub, actor, "up/model", origin=upstream.url)
    import_model(server.hub, actor, "up/model", origin=upstream.url, target="root/copy", private=True)
    assert export_repo(server.hub, "model", "up/model", "main", tmp_path / "out") == 3
    assert (tmp_path / "out" / "w.bin").read_bytes() == BODY
    assert server.user("root").model_info("root/copy").private
    title = server.user("root").list_repo_commits("up/model")[0].title
    assert upstream.user("up").model_info("up/model").sha in title
    import_model(server.hub, actor, "out", origin=str(tmp_path), target="root/folder")
    assert (tmp_path / "out" / "README.md").read_bytes() == CARD
    assert sorted(server.user("root").list_repo_files("root/folder")) == ["README.md", "d/c.json", "w.bin"]
    with pytest.raises(ZooError, match="not empty"):
        export_repo(server.hub, "model", "up/model", "main", tmp_path / "out")


# --- the leash ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.9.9", "169.254.169.254", "0.0.0.0", "100.64.0.1", "::1",
     "fe80::1",
     "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "224.0.0.1", "2002:7f00:1::"],
)  # fmt: skip
def test_private_addresses_are_known(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_known() -> None:
    assert is_public("1.1.1.1")
    assert is_public("2606:4700:4700::1111")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://2130706433/"]
)
def test_an_upstream_in_a_private_network_is_not_asked(url: str) -> None:
    with pytest.raises(Unavailable, match=r"private network|cannot be found"), Upstream(url).open("/x"):
        pass


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/", "gopher://x/", "http://", "x"])
def test_only_http_is_an_upstream(url: str) -> None:
    with pytest.raises(Unavailable):
        Upstream(url)


@pytest.fixture
def redirector() -> Iterator[str]:
    """A server that sends everybody on to where its path says."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", self.path[1:] if self.path != "/loop" else "/loop")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_redirects_stay_on_the_leash(redirector: str) -> None:
    upstream = Upstream(redirector, private=True)
    for target in (
        "http://localhost:9/",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://u:p@1.1.1.1/",
    ):
        with pytest.raises(Unavailable, match=r"private network|not followed"), upstream.open(f"/{target}"):
            pass
    with pytest.raises(Unavailable, match="circles"), upstream.open("/loop"):
        pass
