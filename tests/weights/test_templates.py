from __future__ import annotations

import time

import pytest

from zoohub.errors import UnsafeFile
from zoohub.weights import render_chat_template

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " 你好 <b>"},
    {"role": "assistant", "content": "Hi."},
]
TEMPLATE = (
    "{%- for message in messages %}\n"
    "    {%- if loop.first and message.role == 'system' %}{{ bos_token }}{% continue %}{% endif %}\n"
    "    {{- '<|' + message['role'] + '|>' + message['content'] | trim }}\n"
    "    {%- if message.role == 'assistant' %}{% generation %}{{ eos }}{% endgeneration %}{% endif %}\n"
    "{%- endfor %}\n"
    "{%- if tools %}{{ tools | tojson(indent=2) }}{% endif %}\n"
    "{%- if add_generation_prompt %}<|assistant|>{% endif %}"
)
HOSTILE = {
    "reach into Python": ("{{ ''.__class__.__mro__ }}", "unsafe"),
    "run a program": ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "unsafe"),
    "change the messages": ("{{ messages.append(1) }}", "unsafe"),
    "namespace": ("{% set n = namespace() %}{% set n.__class__ = 1 %}", "namespace"),
    "endless": (
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "took more than",
    ),
    "memory": ("{{ 'a' * 10 ** 10 }}", "memory"),
    "memory by a filter": ("{{ 'a' | center(10 ** 10) }}", "memory"),
    "output": ("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "more than 4000000 characters"),
    "recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep"),
    "syntax": ("{% if %}", "line 1"),
    "the template's own refusal": ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
    "a file": ("{% include '/etc/passwd' %}", "no loader"),
}


@pytest.mark.models
@pytest.mark.parametrize(
    "tools", [None, [{"type": "function", "function": {"name": "f", "description": "größer"}}]]
)
def test_the_text_is_that_of_transformers(tools: object) -> None:
    chat_template_utils = pytest.importorskip("transformers.utils.chat_template_utils")
    names = {"bos_token": "<s>", "eos": "</s>", "tools": tools}
    theirs, _ = chat_template_utils.render_jinja_template(
        conversations=[CHAT], chat_template=TEMPLATE, add_generation_prompt=True, **names
    )
    assert render_chat_template(TEMPLATE, CHAT, add_generation_prompt=True, **names) == theirs[0]


@pytest.mark.parametrize(("template", "reason"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_template_ends_in_a_message(template: str, reason: str) -> None:
    begin = time.monotonic()
    with pytest.raises(UnsafeFile, match=reason):
        render_chat_template(template, CHAT, seconds=1.5)
    assert time.monotonic() - begin < 10
    assert render_chat_template("{{ messages | length }}", CHAT) == "3", "the next one is served"


def test_an_image_reaches_a_template_by_name_only() -> None:
    chat = [{"role": "user", "content": [{"type": "image", "image": object()}]}]
    assert render_chat_template("{{ messages[0].content[0].image }}", chat) == "<object>"


def test_a_format_string_reads_nothing_of_python() -> None:
    assert render_chat_template("{{ '{0.__class__}'.format(messages) }}", CHAT) == ""
