"""Chat templates are programs of strangers: rendered in a sandbox, in a process of its own, within limits."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from zoohub.errors import UnsafeFile
from zoohub.weights import children

SECONDS = 5.0
CHARACTERS = 4_000_000
MAX_TEMPLATE = 1 << 20


def render_chat_template(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    add_generation_prompt: bool = False,
    seconds: float = SECONDS,
    characters: int = CHARACTERS,
    **variables: Any,
) -> str:
    """The text that a model's chat template makes of `messages`, as transformers renders it.

    `variables` are what else the template uses (tools, documents, bos_token ...), as plain JSON values.
    Jinja2's immutable sandbox runs in a process without network, with 512 MiB of memory, `seconds` of time
    and at most `characters` of text.

    Raises:
        UnsafeFile: the template fails, or goes beyond a limit.
    """
    if len(template) > MAX_TEMPLATE:
        raise UnsafeFile(f"The chat template has {len(template)} characters, more than {MAX_TEMPLATE}.")
    names = {"tools": None, "documents": None, **variables}
    names |= {"messages": list(messages), "add_generation_prompt": add_generation_prompt}
    request = json.dumps(
        {"template": template, "variables": names, "limit": characters}, default=_placeholder
    )
    answer = _worker.ask(request, seconds)
    if error := answer.get("error"):
        raise UnsafeFile(
            f"The chat template cannot be rendered: {error.rstrip('.')}.", "Look at it: chat_template.jinja"
        )
    return answer["text"]


def _placeholder(value: object) -> str:
    """Images, arrays and the like reach a template by name only: templates ask whether they are there."""
    return f"<{type(value).__name__}>"


def _end(process: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    process.kill()


class _Worker:
    """One child process, started when it is needed, ended when it takes too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0

    def ask(self, request: str, seconds: float) -> dict[str, str]:
        with self._lock:
            process = self._running()
            assert process.stdin
            assert process.stdout
            late = threading.Event()
            timer = threading.Timer(seconds, _end, (process, late))
            timer.start()
            try:
                process.stdin.write(request + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except OSError:
                line = ""
            finally:
                timer.cancel()
            if not line:
                self.close()
                return {"error": f"it took more than {seconds:g} s" if late.is_set() else "its process ended"}
            answer: dict[str, str] = json.loads(line)
            return answer

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None or self._owner != os.getpid():
            scratch = tempfile.gettempdir()
            self._process = subprocess.Popen(
                children.command("render_template"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, encoding="utf-8", cwd=scratch,
                env=children.environment(scratch),
            )  # fmt: skip
            self._owner = os.getpid()
        return self._process

    def close(self) -> None:
        """End the child, if there is one."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


_worker = _Worker()
atexit.register(_worker.close)
