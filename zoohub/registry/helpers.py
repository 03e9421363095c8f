"""Processes that do plain work beside this one, for bulk loads: Python's threads would take turns.

A helper is asked by a job's name and plain values over a pipe. It is a program of its own and not a fork, so it
works from any thread and needs no guard in the user's script. A helper that fails changes nothing: the job is
done here.
"""

from __future__ import annotations

import gc
import marshal
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any

from zoohub.registry import encoding, layout

# name of a job -> what does it; arguments and result are plain values
JOBS: dict[str, Callable[..., Any]] = {"pack": encoding.packed_all, "segment": layout.segment_rows}
_MOST = 8


class Helpers:
    """As many helpers as there are processors (none on a single one). Use it as a context manager."""

    def __init__(self) -> None:
        count = min(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, _MOST
        )
        self._count = count if count > 1 and sys.executable else 0
        self._threads = ThreadPoolExecutor(max(self._count, 1), thread_name_prefix="zoo-helper")
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        self._started: list[subprocess.Popen[bytes]] = []
        for _ in range(self._count):
            self._idle.put(self._start())

    def submit(self, job: str, *arguments: Any) -> Future[Any]:
        """Have a job done; the future holds its result."""
        if not self._count:
            done: Future[Any] = Future()
            done.set_result(JOBS[job](*arguments))
            return done
        return self._threads.submit(self._ask, job, arguments)

    def map(self, job: str, calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """The results of a job for several arguments, in their order; a few are under way at a time."""
        waiting: deque[Future[Any]] = deque()
        for arguments in calls:
            waiting.append(self.submit(job, *arguments))
            if len(waiting) > self._count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def __enter__(self) -> Helpers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._started:
            process.communicate()

    def _start(self) -> subprocess.Popen[bytes] | None:
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; from zoohub.registry.helpers import serve; serve()"
        )
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError:
            return None
        self._started.append(process)
        return process

    def _ask(self, job: str, arguments: tuple[Any, ...]) -> Any:
        process = self._idle.get()
        try:
            if process is not None and process.stdin and process.stdout:
                _write(process.stdin, (job, *arguments))
                return _read(process.stdout)
        except ValueError:  # what marshal does not know is no plain value: the process here judges it
            pass
        except (OSError, EOFError):
            process = None
        finally:
            self._idle.put(process)
        return JOBS[job](*arguments)


def serve() -> None:
    """Be a helper: answer jobs from stdin on stdout until it is closed."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    gc.disable()  # plain values make no cycles, and looking for some takes a sixth of the time
    while True:
        try:
            job, *arguments = _read(sys.stdin.buffer)
        except EOFError:
            return
        _write(answers, JOBS[job](*arguments))


def _write(stream: IO[bytes], value: Any) -> None:
    packed = marshal.dumps(value)
    stream.write(len(packed).to_bytes(8, "little"))
    stream.write(packed)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    size = stream.read(8)
    packed = stream.read(int.from_bytes(size, "little"))
    if len(size) < 8 or len(packed) < int.from_bytes(size, "little"):
        raise EOFError
    return marshal.loads(packed)  # noqa: S302  # from our own process
