"""Discussions, pull requests and merging, duplicates, tags: as the unmodified client asks for them."""

from __future__ import annotations

import pytest
from hubserving import Server, Starter
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from zoohub.hub.db import Database
from zoohub.hub.tables import metadata


def put(api: HfApi, repo: str, path: str, text: str, **more: object) -> object:
    add = [CommitOperationAdd(path, text.encode())]
    return api.create_commit(repo, add, commit_message=f"put {path}", **more)  # type: ignore[arg-type]


def read(server: Server, repo: str, path: str) -> bytes:
    answer = server.ask("GET", f"/{repo}/resolve/main/{path}")
    assert answer.status == 200, answer.body
    return answer.body


def test_a_discussion(server: Server) -> None:
    owner, guest = server.user("dora"), server.user("gast")
    owner.create_repo("dora/talk")
    talk = guest.create_discussion("dora/talk", "  Why so small? ", description="I wonder.")
    assert (talk.num, talk.title, talk.status, talk.author) == (1, "Why so small?", "open", "gast")
    assert not talk.is_pull_request
    comment = owner.comment_discussion("dora/talk", 1, "Because <script>alert(1)</script>")
    assert comment.rendered == "<p>Because &lt;script&gt;alert(1)&lt;/script&gt;</p>"
    with pytest.raises(HfHubHTTPError, match="Only its author"):
        guest.edit_discussion_comment("dora/talk", 1, comment.id, "mine")
    assert owner.edit_discussion_comment("dora/talk", 1, comment.id, "Well").content == "Well"
    assert guest.rename_discussion("dora/talk", 1, "Why so big?").new_title == "Why so big?"
    with pytest.warns(UserWarning, match="irreversible"):
        assert owner.hide_discussion_comment("dora/talk", 1, comment.id).hidden
    with pytest.raises(HfHubHTTPError, match="stays hidden"):
        owner.edit_discussion_comment("dora/talk", 1, comment.id, "back")
    assert owner.change_discussion_status("dora/talk", 1, "closed", comment="Done").new_status == "closed"
    told = guest.get_discussion_details("dora/talk", 1)
    assert [event.type for event in told.events] == [
        "comment", "comment", "title-change", "status-change", "comment",
    ]  # fmt: skip
    assert [event.content for event in told.events if event.type == "comment"] == ["I wonder.", "", "Done"]  # type: ignore[attr-defined]
    assert [item.num for item in owner.get_repo_discussions("dora/talk", discussion_status="open")] == []
    assert [item.num for item in owner.get_repo_discussions("dora/talk", author="gast")] == [1]
    assert list(owner.get_repo_discussions("dora/talk", discussion_type="pull_request")) == []


def test_a_pull_request_of_a_stranger_is_merged(server: Server) -> None:
    owner, guest = server.user("dora"), server.user("gast")
    owner.create_repo("dora/code")
    put(owner, "dora/code", "a.txt", "one\n")
    put(owner, "dora/code", "old.txt", "old\n")
    pull = guest.create_pull_request("dora/code", "Better words", description="Please")
    assert (pull.status, pull.git_reference, pull.target_branch) == ("draft", "refs/pr/1", "refs/heads/main")
    put(guest, "dora/code", "a.txt", "two\n", revision="refs/pr/1")
    guest.create_commit(
        "dora/code", [CommitOperationDelete("old.txt")], commit_message="drop", revision="refs/pr/1"
    )
    put(owner, "dora/code", "b.txt", "meanwhile\n")  # main moves on; other files, so no conflict
    with pytest.raises(HfHubHTTPError, match="no right to write"):
        put(guest, "dora/code", "a.txt", "two\n")
    with pytest.raises(HfHubHTTPError, match="no right to write"):
        guest.merge_pull_request("dora/code", 1)
    with pytest.raises(HfHubHTTPError, match="Only its author and those"):
        put(server.user("third"), "dora/code", "a.txt", "three\n", revision="refs/pr/1")
    told = owner.get_discussion_details("dora/code", 1)
    assert told.conflicting_files == []
    assert told.diff is not None
    assert "-one\n+two\n" in told.diff
    assert "+++ /dev/null" in told.diff
    owner.merge_pull_request("dora/code", 1, comment="Thanks")
    assert sorted(owner.list_repo_files("dora/code")) == ["a.txt", "b.txt"]
    assert read(server, "dora/code", "a.txt") == b"two\n"
    told = owner.get_discussion_details("dora/code", 1)
    assert told.status == "merged"
    assert told.merge_commit_oid == owner.model_info("dora/code").sha
    assert [event.type for event in told.events] == [
        "comment",
        "commit",
        "commit",
        "status-change",
        "comment",
    ]
    for again in (
        lambda: owner.merge_pull_request("dora/code", 1),
        lambda: put(guest, "dora/code", "a.txt", "four\n", revision="refs/pr/1"),
        lambda: owner.change_discussion_status("dora/code", 1, "open"),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            again()
        assert caught.value.response.status_code == 409


def test_both_sides_changed_the_same(server: Server) -> None:
    owner = server.user("dora")
    owner.create_repo("dora/clash")
    put(owner, "dora/clash", "a.txt", "one\n")
    done = put(owner, "dora/clash", "a.txt", "two\n", create_pr=True)
    assert done.pr_num == 1  # type: ignore[attr-defined]
    put(owner, "dora/clash", "a.txt", "three\n")
    assert owner.get_discussion_details("dora/clash", 1).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError, match=r"Both sides changed a\.txt"):
        owner.merge_pull_request("dora/clash", 1)
    put(owner, "dora/clash", "a.txt", "two\n")  # now both say the same
    owner.merge_pull_request("dora/clash", 1)
    put(owner, "dora/clash", "a.txt", "four\n", create_pr=True)
    owner.super_squash_history("dora/clash")
    with pytest.raises(HfHubHTTPError, match="rewritten"):
        owner.merge_pull_request("dora/clash", 2)
    assert owner.get_discussion_details("dora/clash", 2).conflicting_files is True


def test_a_merge_is_looked_at_as_any_push(start: Starter) -> None:
    server = start(on_unsafe="refuse")
    owner = server.user("dora")
    owner.create_repo("dora/m")
    owner.create_pull_request("dora/m", "A card")
    put(
        owner,
        "dora/m",
        "README.md",
        "---\nlicense: mit\npipeline_tag: fill-mask\n---\n",
        revision="refs/pr/1",
    )
    assert server.hub.registry.get("dora/m").license == "unknown"
    owner.merge_pull_request("dora/m", 1)
    assert server.hub.registry.get("dora/m").license == "mit"
    assert [item["id"] for item in owner.get_model_tags()["license"]] == ["license:mit"]
    assert [item["id"] for item in owner.get_model_tags()["pipeline_tag"]] == ["fill-mask"]
    assert "@hosted" not in str(owner.get_model_tags())


def test_hidden_discussions_are_not_there(server: Server) -> None:
    owner, guest = server.user("dora"), server.user("gast")
    owner.create_repo("dora/quiet", private=True)
    owner.create_discussion("dora/quiet", "Among us")
    for call in (
        lambda: list(guest.get_repo_discussions("dora/quiet")),
        lambda: guest.get_discussion_details("dora/quiet", 1),
        lambda: guest.create_discussion("dora/quiet", "Hello there"),
        lambda: guest.comment_discussion("dora/quiet", 1, "Hello"),
        lambda: guest.merge_pull_request("dora/quiet", 1),
        lambda: guest.duplicate_repo("dora/quiet"),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            call()
        assert caught.value.response.status_code == 404
    reader = HfApi(endpoint=server.url, token=server.token("dora", "read"))
    assert [item.title for item in reader.get_repo_discussions("dora/quiet")] == ["Among us"]
    with pytest.raises(HfHubHTTPError, match="role 'write'"):
        reader.comment_discussion("dora/quiet", 1, "Hello")


def test_the_difference_of_a_gated_repository_is_for_its_readers(server: Server) -> None:
    owner, guest = server.user("dora"), server.user("gast")
    owner.create_repo("dora/gated")
    owner.update_repo_settings("dora/gated", gated="manual")
    put(owner, "dora/gated", "a.txt", "treasure\n", create_pr=True)
    assert "treasure" in (owner.get_discussion_details("dora/gated", 1).diff or "")
    assert guest.get_discussion_details("dora/gated", 1).diff is None


def test_many_discussions_come_in_pages(server: Server) -> None:
    owner = server.user("dora")
    owner.create_repo("dora/busy")
    for number in range(55):
        owner.create_discussion("dora/busy", f"Number {number}")
    assert [item.num for item in owner.get_repo_discussions("dora/busy")] == list(range(55, 0, -1))


def test_duplicates(server: Server) -> None:
    owner, guest = server.user("dora"), server.user("gast")
    owner.create_repo("dora/first")
    put(owner, "dora/first", "README.md", "---\nlicense: mit\n---\n")
    put(owner, "dora/first", "w.bin", "\0" * 100)
    assert str(guest.duplicate_repo("dora/first")).endswith("/gast/first")
    assert sorted(guest.list_repo_files("gast/first")) == ["README.md", "w.bin"]
    assert read(server, "gast/first", "w.bin") == b"\0" * 100
    assert server.hub.registry.get("gast/first").license == "mit"
    owner.delete_repo("dora/first")
    assert read(server, "gast/first", "w.bin") == b"\0" * 100
    with pytest.raises(HfHubHTTPError) as caught:
        guest.duplicate_repo("gast/first", to_id="gast/first")
    assert caught.value.response.status_code == 409
    guest.duplicate_repo("gast/first", to_id="gast/first", exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="no right"):
        guest.duplicate_repo("gast/first", to_id="dora/second")
    assert guest.model_info(
        guest.duplicate_repo("gast/first", to_id="gast/own", private=True).repo_id
    ).private


def test_large_files_are_listed_and_deleted(server: Server) -> None:
    owner = server.user("dora")
    owner.create_repo("dora/large")
    put(owner, "dora/large", "w.bin", "\0" * 100)
    (item,) = owner.list_lfs_files("dora/large")
    assert (item.filename, item.size, item.ref) == ("w.bin", 100, "refs/heads/main")
    with pytest.raises(HfHubHTTPError, match="still in a branch"):
        owner.permanently_delete_lfs_files("dora/large", [item])
    owner.delete_file("w.bin", "dora/large")
    owner.super_squash_history("dora/large")
    owner.permanently_delete_lfs_files("dora/large", [item])
    assert list(owner.list_lfs_files("dora/large")) == []


def test_the_tables_are_those_that_the_migrations_make(start: Starter) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    db: Database = start().hub.db

    def ours(_thing: object, name: str | None, kind: str, reflected: bool, _declared: object) -> bool:
        return kind != "table" or not reflected or str(name).startswith("hub_")

    with db.read() as connection:
        options = {"target_metadata": metadata, "include_object": ours, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
