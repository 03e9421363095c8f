"""`zoo hub`: every command that the documentation names, as it names it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoohub.cli.main import zoo
from zoohub.errors import ZooError
from zoohub.hub.config import Config
from zoohub.hub.server import first_admin
from zoohub.hub.service import Hub


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HUB_CATALOG", "false")
    monkeypatch.setenv("ZOO_HUB_DISK_RESERVE", "0")


def run(*args: str, text: str | None = None) -> Result:
    result = CliRunner().invoke(zoo, ["hub", *args], input=text, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def lines(*args: str) -> list[dict]:
    return [json.loads(line) for line in run(*args).stdout.splitlines()]


def test_users_organizations_and_tokens() -> None:
    run("user", "add", "ada", text="long enough\nlong enough\n")
    run("user", "add", "grace", "--password", "long enough", "--email", "g@example.org", "--admin")
    assert [(row["name"], row["admin"]) for row in lines("user", "list")] == [("ada", False), ("grace", True)]
    run("org", "add", "vision", "--admin", "ada")
    run("org", "member", "vision", "grace", "--role", "write")
    assert lines("org", "list") == [{"name": "vision", "members": {"ada": "admin", "grace": "write"}}]
    run("org", "member", "vision", "grace", "--role", "none")
    token = run(
        "token", "add", "ada", "--name", "ci", "--role", "write", "--scope", "vision", "--days", "90"
    ).stdout
    assert token.startswith("zoo_")
    row = lines("token", "list", "ada")[0]
    assert (row["name"], row["role"], row["scope"]) == ("ci", "write", '["vision"]')
    assert token.strip() not in json.dumps(lines("log"))
    run("token", "revoke", "ada", str(row["id"]))
    assert lines("token", "list", "ada") == []
    run("user", "set", "grace", "--quota", "500GB", "--no-admin")
    run("user", "set", "ada", "--disable")
    assert lines("user", "list")[0]["disabled"]
    run("user", "delete", "grace")
    assert {row["action"] for row in lines("log")} >= {
        "user.add",
        "org.add",
        "org.member",
        "token.add",
        "user.delete",
    }


@pytest.mark.parametrize(
    "args",
    [
        ["user", "add", "x/y", "--password", "long enough"], ["user", "add", "ok", "--password", "short"],
        ["user", "set", "nobody", "--disable"], ["org", "add", "o", "--admin", "nobody"],
        ["token", "add", "nobody"],
        ["export", "a/b", "out"], ["import", "no/where", "--from", "http://127.0.0.1:1"],
    ],
)  # fmt: skip
def test_mistakes_are_explained(args: list[str]) -> None:
    with pytest.raises(ZooError):
        CliRunner().invoke(zoo, ["hub", *args], catch_exceptions=False)


def test_import_check_collect_and_export(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "README.md").write_text("---\nlicense: mit\n---\n# x\n")
    (model / "w.bin").write_bytes(bytes(3_000_000))
    run("user", "add", "admin", "--password", "long enough", "--admin")
    assert (
        json.loads(run("import", "model", "--from", str(tmp_path), "--to", "team/model").stdout)["id"]
        == "team/model"
    )
    assert "0 faults" in run("fsck").stderr
    assert json.loads(run("gc", "--grace", "0.01").stdout)["blobs"] == 0
    run("export", "team/model", str(tmp_path / "out"))
    assert (tmp_path / "out" / "w.bin").stat().st_size == 3_000_000
    damaged = next(path for path in Path(Config.load().folder / "objects").rglob("*") if path.is_file())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    result = CliRunner().invoke(zoo, ["hub", "fsck", "--quick"])
    assert result.exit_code == 1
    assert "missing or too short" in result.stdout


def test_the_first_administrator_is_told_once() -> None:
    hub = Hub(Config.load())
    said: list[str] = []
    first_admin(hub, said.append)
    token = next(line for line in said if line.startswith("Token: ")).split()[1]
    assert hub.accounts.actor(token).admin
    said.clear()
    first_admin(hub, said.append)
    assert said == []
    hub.close()


def test_a_port_in_use_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "zoohub.cli", "serve", "--port", str(taken.getsockname()[1])],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "in use" in done.stderr
