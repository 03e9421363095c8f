"""The files of docs/deploy: what can be checked of them without a cluster, and the hub behind nginx as they set it up."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hubserving import ROOT, Server, Starter, run_client

DEPLOY = ROOT / "docs" / "deploy"
INSTRUCTIONS = {"FROM", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}
THROUGH = """
import sys
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download
api, folder = HfApi(), Path(sys.argv[1])
(folder / "up").mkdir()
(folder / "up" / "w.bin").write_bytes(bytes(range(256)) * 8000)
api.create_repo("ann/m")
api.upload_folder(repo_id="ann/m", folder_path=folder / "up")
done = api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="ann/m", create_pr=True)
path = hf_hub_download("ann/m", "w.bin", revision="refs/pr/1")
assert Path(path).read_bytes() == (folder / "up" / "w.bin").read_bytes()
assert Path(hf_hub_download("ann/m", "a.txt", revision="refs/pr/1")).read_bytes() == b"x"
print(done.pr_url, [item.id for item in api.list_models()])
"""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    text = (DEPLOY / "zoohub.service").read_text()
    unit = tmp_path / "zoohub.service"
    unit.write_text(text.replace("/opt/zoohub/bin/zoo ", f"{shutil.which('true')} "))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "zoohub.service" in line]
    assert (done.returncode, complaints) == (0, [])


def test_the_container_file_installs_what_there_is() -> None:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert {line.split()[0] for line in lines} <= INSTRUCTIONS
    assert lines[0].startswith("FROM ")
    (extras,) = re.findall(r"zoohub\[([a-z0-9,]+)\]", text)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= set(known)


@pytest.mark.skipif(not shutil.which("buildah") or os.geteuid(), reason="needs buildah and root")
def test_the_container_file_is_one_that_buildah_takes(tmp_path: Path) -> None:
    """All but its first two instructions, which need an image and an index of packages."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    kept = [line for line in text.splitlines() if not line.startswith(("FROM", "RUN"))]
    (tmp_path / "Containerfile").write_text("\n".join(["FROM scratch", *kept]))
    places = ["--root", tmp_path / "root", "--runroot", tmp_path / "run", "--storage-driver", "vfs"]
    build = ["bud", "--format", "docker", "--isolation", "chroot", "-t", "zoohub", tmp_path]
    done = subprocess.run(["buildah", *places, *build], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    look = ["inspect", "--type", "image", "zoohub"]
    shown = subprocess.run(["buildah", *places, *look], capture_output=True, text=True, check=True).stdout
    found = json.loads(shown)["Docker"]["config"]
    assert (found["User"], found["Cmd"], list(found["Volumes"])) == ("zoohub", ["zoo", "serve"], ["/data"])
    assert "/health" in found["Healthcheck"]["Test"][1]


@contextmanager
def nginx(server: Server, port: int, folder: Path, **changes: str) -> Iterator[None]:
    """nginx with the documented site, without TLS and with `changes` of its text, before a hub."""
    site = (DEPLOY / "nginx.conf").read_text().replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    site = re.sub(r" *ssl_\w+ .*\n", "", site).replace(
        "http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}"
    )
    for key, value in changes.items():
        site, count = re.subn(rf"{key}=\S+?(?=[ ;])", f"{key}={value}", site)
        assert count == 1
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    conf = folder / "nginx.conf"
    conf.write_text(
        f"pid {folder}/pid; error_log {folder}/log; events {{}} http {{ access_log off; {places}\n{site} }}"
    )
    running = subprocess.Popen(["nginx", "-c", conf, "-g", "daemon off;"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        running.terminate()
        running.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")


@needs_nginx
def test_behind_nginx(start: Starter, tmp_path: Path) -> None:
    port = free_port()
    server = start(public_url=f"http://127.0.0.1:{port}")
    with nginx(server, port, tmp_path):
        env = server.client_env("ann", tmp_path) | {"HF_ENDPOINT": f"http://127.0.0.1:{port}"}
        told = run_client(env, THROUGH, str(tmp_path))
    assert f"http://127.0.0.1:{port}/ann/m/discussions/1 ['ann/m']" in told


@needs_nginx
def test_nginx_counts_requests_for_all_workers(start: Starter, tmp_path: Path) -> None:
    port = free_port()
    server = start(rate=0)
    with nginx(server, port, tmp_path, rate="1r/m", burst="4"):
        through = Server(server.hub, port, tmp_path)
        statuses = [through.ask("GET", "/api/models").status for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
