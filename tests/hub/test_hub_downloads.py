"""What is answered from memory is what would be answered without it."""

from __future__ import annotations

import itertools
import socket

import pytest
from hubserving import Answer, Server
from huggingface_hub import CommitOperationAdd, CommitOperationDelete

CHANGING = ("date", "x-request-id", "ratelimit")
FILES = {"a.txt": b"first\n", "config.json": b"{}", "d/b.md": b"", "d/c.bin": bytes(range(256)) * 600}


def fill(server: Server, name: str, *, private: bool = False) -> str:
    """A repository with `FILES`; returns its id."""
    api = server.user("ada")
    api.create_repo(name, private=private)
    api.create_commit(
        name, [CommitOperationAdd(path, body) for path, body in FILES.items()], commit_message="files"
    )
    return name


def kept(server: Server, path: str) -> bool:
    return server.hub.places.get(path, server.hub.watch.stamp()) is not None


def lasting(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    return answer.status, {k: v for k, v in answer.headers.items() if k not in CHANGING}, answer.body


@pytest.mark.parametrize("private", [False, True])
def test_the_second_answer_is_the_first(server: Server, private: bool) -> None:
    name = fill(server, f"ada/twice-{private}", private=private)
    conditions: tuple[dict[str, str], ...] = ({}, {"Range": "bytes=2-4"}, {"If_None_Match": '"x"'})
    callers = (server.token("ada"), server.token("eve"), None, "zoo_wrong")
    for path, condition, token, method in itertools.product(
        FILES, conditions, callers, ("GET", "HEAD", "POST")
    ):
        address = f"/{name}/resolve/main/{path}"
        server.hub.places.put("something", None, 9 << 20, server.hub.watch.stamp())  # type: ignore[arg-type]
        assert not kept(server, address)
        fresh = server.ask(method, address, token=token, **condition)
        server.ask("GET", address, token=server.token("ada"))
        assert kept(server, address)
        again = server.ask(method, address, token=token, **condition)
        assert lasting(again) == lasting(fresh), (path, condition, token, method)
        if method == "GET" and token == server.token("ada") and not condition:
            assert again.body == FILES[path]
        if private and token != server.token("ada"):
            assert again.status in (401, 404, 405)


def test_the_files_that_follow_are_looked_up_together(server: Server) -> None:
    api, name = server.user("ada"), "ada/many"
    api.create_repo(name)
    files = [CommitOperationAdd(f"{number:03}.txt", f"{number}".encode()) for number in range(300)]
    api.create_commit(name, files, commit_message="files")
    server.ask("HEAD", f"/{name}/resolve/main/010.txt")
    known = [number for number in range(300) if kept(server, f"/{name}/resolve/main/{number:03}.txt")]
    assert known == list(range(10, 211))
    for number in (10, 100, 250):
        assert server.ask("GET", f"/{name}/resolve/main/{number:03}.txt").body == str(number).encode()


def test_a_change_is_seen_by_the_next_request(server: Server) -> None:
    api, name = server.user("ada"), fill(server, "ada/changing")
    address = f"/{name}/resolve/main/a.txt"
    for turn in range(5):
        api.create_commit(name, [CommitOperationAdd("a.txt", b"%d" % turn)], commit_message="again")
        assert [server.ask("GET", address).body for _ in range(2)] == [b"%d" % turn] * 2
    api.create_commit(name, [CommitOperationDelete("a.txt")], commit_message="gone")
    assert server.ask("GET", address).status == 404
    assert server.ask("GET", f"/{name}/resolve/main/config.json").status == 200
    api.update_repo_settings(name, private=True)
    assert [server.ask("GET", f"/{name}/resolve/main/config.json").status for _ in range(2)] == [401, 401]


def test_a_token_that_was_revoked_opens_nothing(server: Server) -> None:
    name = fill(server, "ada/closed", private=True)
    accounts = server.hub.accounts
    row = accounts.need("ada")
    value = accounts.create_token(row.id, "for a while", "read")
    address = f"/{name}/resolve/main/config.json"
    assert [server.ask("GET", address, token=value).status for _ in range(3)] == [200] * 3
    accounts.revoke(row.id, next(each.id for each in accounts.tokens(row.id) if each.name == "for a while"))
    assert server.ask("GET", address, token=value).status == 401


def test_answers_from_memory_count_as_downloads(server: Server) -> None:
    name = fill(server, "ada/counted")
    for _ in range(5):
        server.ask("GET", f"/{name}/resolve/main/config.json")
        server.ask("HEAD", f"/{name}/resolve/main/config.json")
        server.ask("GET", f"/{name}/resolve/main/a.txt")
    server.hub.flush()
    assert server.ask("GET", f"/api/models/{name}").json()["downloads"] == 5


def test_requests_in_one_packet_are_answered_in_turn(server: Server) -> None:
    name = fill(server, "ada/pipelined")
    asked = ["a.txt", "d/c.bin", "config.json", "nothing", "a.txt"]
    head = "GET /{}/resolve/main/{} HTTP/1.1\r\nHost: hub\r\nConnection: {}\r\n\r\n"
    text = "".join(
        head.format(name, path, "close" if number == 4 else "keep-alive") for number, path in enumerate(asked)
    )
    with socket.create_connection(("127.0.0.1", server.port), 30) as client:
        client.sendall(text.encode())
        data = b"".join(iter(lambda: client.recv(1 << 16), b""))
    bodies = []
    while data:
        top, _, data = data.partition(b"\r\n\r\n")
        size = next(
            int(line.split(b":")[1])
            for line in top.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        bodies.append((top.split()[1], data[:size]))
        data = data[size:]
    assert [status for status, _ in bodies] == [b"200", b"200", b"200", b"404", b"200"]
    for path, (_, body) in zip(asked, bodies, strict=True):
        assert body == FILES.get(path, body)
