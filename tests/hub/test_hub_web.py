"""The pages in a real browser: light, dark and narrow, in both languages, with and without JavaScript."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from hubserving import Server
from huggingface_hub import CommitOperationAdd

from zoohub.registry import BaseModel, ModelRecord

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
CARD = b"""---
license: apache-2.0
pipeline_tag: text-classification
language: en
base_model: org/base
model-index:
- name: m
  results:
  - task: {type: text-classification}
    dataset: {name: SST-2, type: sst2}
    metrics: [{type: accuracy, value: 0.93}]
---
# Glad or sad

Tells glad sentences from sad ones.

| a | b |
|---|---|
| 1 | 2 |
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    server.hub.registry.add(
        ModelRecord(
            id=f"org/{name}", task=task, license=license_, downloads=number * 10, library="transformers"
        )
        for number, (name, task, license_) in enumerate(
            [
                ("base", "fill-mask", "apache-2.0"),
                ("bert-news", "text-classification", "mit"),
                ("llama-x", "text-generation", "llama3.2"),
            ]
        )
    )
    api = server.user("web")
    api.create_repo("web/mood")
    header = json.dumps({"w": {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}}).encode()
    weights = struct.pack("<Q", len(header)) + header + bytes(4000)
    add = [CommitOperationAdd("README.md", CARD), CommitOperationAdd("model.safetensors", weights)]
    api.create_commit("web/mood", add, commit_message="first")
    talk = api.create_discussion(
        "web/mood", "What of sarcasm?", description="Is it **glad** or <script>sad</script>?"
    )
    api.comment_discussion("web/mood", talk.num, "It _depends_.")
    api.rename_discussion("web/mood", talk.num, "What of irony?")
    change = [CommitOperationAdd("README.md", CARD.replace(b"Glad or sad", b"Sad or glad"))]
    server.user("guest").create_commit("web/mood", change, commit_message="Turn it round", create_pr=True)
    child = ModelRecord(id="org/child", base_models=(BaseModel("web/mood", "finetune"),), license="mit")
    server.hub.registry.add([child])
    return server


class Watched:
    """A page that fails the test when the browser complains."""

    def __init__(self, browser: Any, server: Server, **options: Any) -> None:
        self.context = browser.new_context(base_url=server.url, **options)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert self.complaints == []


LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}, "locale": "zh-CN"},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
    "plain": {"java_script_enabled": False, "viewport": {"width": 1280, "height": 900}},
}
# Contrast of text to what is behind it, by the formula of WCAG 2.
CONTRAST = """() => {
  const part = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const lum = c => { const [r, g, b] = c.map(part);
                     return .2126 * r + .7152 * g + .0722 * b; };
  const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
                        if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (e.closest('svg') || !e.offsetParent || !own) continue;
    const a = lum(rgb(getComputedStyle(e).color).slice(0, 3)), b = lum(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push(`${e.tagName} ${e.className} ${e.textContent.trim()} ${ratio.toFixed(2)}`);
  }
  return low; }"""


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "path", ["/", "/search?q=bert", "/web/mood", "/web/mood/tree/main", "/web/mood/commits/main", "/org/base",
             "/compare?id=org/base&id=web/mood", "/login",
             "/web/mood/discussions", "/web/mood/discussions/1", "/web/mood/discussions/2", "/docs", "/recommend", "/audit"],
)  # fmt: skip
def test_every_page_in_every_look(browser: Any, filled: Server, path: str, look: str) -> None:
    options = LOOKS[look]
    with Watched(browser, filled, **options) as page:
        answer = page.goto(path)
        assert answer.status == 200
        width = options["viewport"]["width"]  # type: ignore[index]
        if look != "plain":
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CONTRAST) == []
            assert page.evaluate("[...document.querySelectorAll('input:not([type=hidden]),select,textarea')]"
                                 ".every(e => e.labels.length)")  # fmt: skip
        assert page.locator("h1, h2, h3, [role=search]").count() > 0
        assert page.locator("html").get_attribute("lang") == ("zh-Hans" if look == "dark" else "en")


def test_results_while_typing_and_filters(browser: Any, filled: Server) -> None:
    with Watched(browser, filled) as page:
        page.goto("/")
        page.fill("#q", "bert-news")
        playwright.expect(page.locator(".models > li")).to_have_count(1)
        assert "q=bert-news" in page.url
        page.fill("#q", "")
        playwright.expect(page.locator(".models > li")).to_have_count(5)
        page.click(".facets a:has-text('Text classification')")
        playwright.expect(page.locator(".models > li")).to_have_count(2)
        assert "task=text-classification" in page.url
        page.fill("#q", "mood")
        playwright.expect(page.locator(".models > li")).to_have_count(1)
        assert "task=text-classification" in page.url
        page.reload()
        assert page.locator(".models > li h3 a").inner_text() == "web/mood"
        assert page.locator(".models > li h3 .chip").inner_text() == "on this hub"


def test_search_without_javascript(browser: Any, filled: Server) -> None:
    with Watched(browser, filled, java_script_enabled=False) as page:
        page.goto("/")
        page.fill("#q", "llama")
        page.click("button:has-text('Search')")
        assert page.locator(".models > li h3").inner_text() == "org/llama-x"
        page.goto("/")
        page.click(".facets a:has-text('Fill mask')")
        assert page.locator(".models > li h3").inner_text() == "org/base"


def test_the_page_of_a_model(browser: Any, filled: Server) -> None:
    with Watched(browser, filled) as page:
        page.goto("/web/mood")
        assert page.locator(".card h1").inner_text() == "Glad or sad"
        assert page.locator(".card table td").first.inner_text() == "1"
        assert "accuracy" in page.locator("main").inner_text()
        assert "Apache" in page.locator("aside").inner_text()
        assert page.locator("svg.lineage a").count() == 3
        page.click("svg.lineage a:has-text('org/base')")
        assert page.url.endswith("/org/base")
        page.goto("/web/mood/tree/main")
        with page.expect_download() as download:
            page.click("a:has-text('model.safetensors')")
        assert download.value.suggested_filename == "model.safetensors"


def test_log_in_upload_and_log_out(browser: Any, filled: Server, tmp_path: Any) -> None:
    (tmp_path / "README.md").write_bytes(CARD)
    (tmp_path / "weights.bin").write_bytes(bytes(2_000_000))
    with Watched(browser, filled) as page:
        page.goto("/upload")
        assert "/login" in page.url
        page.fill("input[name=name]", "web")
        page.fill("input[name=password]", "password")
        page.click("main button")
        assert page.url.endswith("/upload")
        page.fill("input[name=repo]", "web/by-hand")
        page.set_input_files("input[name=files]", [tmp_path / "README.md", tmp_path / "weights.bin"])
        page.check("input[name=private]")
        page.click("main button")
        assert page.url.endswith("/web/by-hand")
        assert "private" in page.locator("h1").first.inner_text()
        page.goto("/search?q=by-hand")
        assert page.locator(".models > li h3 a").inner_text() == "web/by-hand"
        page.click("button:has-text('Log out')")
        assert page.request.get("/web/by-hand").status == 404
        page.goto("/search?q=by-hand")
        assert page.locator(".models > li h3 a").count() == 0


def log_in(page: Any, name: str, target: str) -> None:
    page.goto(f"/login?next={target}")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", "password")
    page.click("main button")
    assert page.url.endswith(target)


def test_talk_and_merge_without_javascript(browser: Any, filled: Server) -> None:
    api = filled.user("web")
    api.create_repo("web/talk")
    api.create_commit("web/talk", [CommitOperationAdd("README.md", CARD)], commit_message="first")
    change = [CommitOperationAdd("README.md", CARD.replace(b"Glad or sad", b"Sad or glad"))]
    filled.user("guest").create_commit("web/talk", change, commit_message="Turn it round", create_pr=True)
    with Watched(browser, filled, java_script_enabled=False) as page:
        log_in(page, "guest", "/web/talk/discussions")
        page.fill("input[name=title]", "A question")
        page.fill("textarea[name=text]", "May **I**? <img onerror=alert(1)><script>alert(2)</script>")
        page.click("main form button")
        assert page.url.endswith("/web/talk/discussions/2")
        assert page.locator(".comment strong").nth(1).inner_text() == "I"
        assert page.locator(".comment img[onerror]").count() == 0
        page.click("button:has-text('Close')")
        assert "guest closed it" in page.locator(".events").inner_text().replace("\n", " ")
        page.click("button:has-text('Open again')")
        page.goto("/web/talk/discussions/1")
        assert page.locator(".added").inner_text().startswith("+# Sad or glad")
        assert page.locator("button:has-text('Merge')").count() == 0  # who made it may not merge it
    with Watched(browser, filled, java_script_enabled=False) as page:
        log_in(page, "web", "/web/talk/discussions/1")
        page.fill("textarea", "Well seen.")
        page.click("button:has-text('Comment')")
        assert "Well seen." in page.locator(".comment").inner_text()
        page.click("button:has-text('Merge')")
        assert page.locator(".chip").first.inner_text() == "merged"
        page.goto("/web/talk/discussions?status=closed")
        assert page.locator(".commits li").count() == 1
        page.goto("/web/talk")
        assert page.locator(".card h1").inner_text() == "Sad or glad"


def test_who_may_do_what_on_the_pages_of_discussions(filled: Server) -> None:
    api = filled.user("web")
    api.create_repo("web/quiet", private=True)
    number = api.create_discussion("web/quiet", "Just us").num
    for path in ("/web/quiet/discussions", f"/web/quiet/discussions/{number}"):
        assert filled.ask("GET", path, accept="text/html").status == 401  # as one that is not there
    row = filled.hub.accounts.need("guest")
    cookie = filled.hub.accounts.create_token(row.id, "session", "write", life=60, kind="session")
    form = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": f"zoo_session={cookie}"}
    session = filled.hub.accounts.actor(cookie).token_id
    token = filled.hub.signer.sign("form", {"session": session}, 60)
    for verb in ("comment", "status", "merge"):
        body = f"token={token}&text=x&status=closed"
        assert filled.ask("POST", f"/web/quiet/discussions/{number}/{verb}", body, **form).status == 404
        # A public one: comments are for all, the rest is for its author and those who may write.
        expected = 303 if verb == "comment" else 403
        assert filled.ask("POST", f"/web/mood/discussions/1/{verb}", body, **form).status == expected, verb
        assert filled.ask("POST", f"/web/mood/discussions/1/{verb}", "token=&text=x", **form).status in (
            400,
            401,
        )
    assert api.get_discussion_details("web/mood", 1).status == "open"
    assert filled.ask("GET", "/web/mood/discussions/99").status == 404
    assert filled.ask("GET", "/web/mood/discussions/x").status == 404
    assert filled.ask("GET", "/web/mood/discussions?p=99999999999&status=%00").status == 200


def test_more_than_two_models_side_by_side(filled: Server) -> None:
    names = ["org/base", "web/mood", "org/child"]
    page = filled.ask("GET", "/compare?" + "&".join(f"id={name}" for name in names)).body.decode()
    assert [f'name="id" value="{name}"' in page for name in names] == [True] * 3  # comparing again keeps all
    assert page.count('<th scope="col">') == 3


def test_chinese_texts_have_chinese_punctuation() -> None:
    texts = json.loads((files("zoohub.hub.web") / "zh.json").read_text(encoding="utf-8")).values()
    assert [
        text for text in texts if re.search(r"[\u3400-\u9fff]\s?[,:;?!(]|[,;(][\u3400-\u9fff]", text)
    ] == []


def test_the_keyboard_reaches_everything(browser: Any, filled: Server) -> None:
    with Watched(browser, filled) as page:
        page.goto("/web/mood")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")
