"""Searches in processes of their own.

A search is work for the processor in many small steps, between which Python lets go of its lock; in a thread
beside a busy event loop it would wait for that lock hundreds of times. So the server hands searches to child
processes over pipes and stays free for everything else, and a slow search delays no upload.

`python -m zoohub.hub.searchers URL` is such a process. Both ends are this program, so messages are pickles.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import struct
import sys
from collections import deque
from collections.abc import Mapping
from typing import IO, Any

from zoohub.errors import ZooError
from zoohub.hub.errors import BadRequest
from zoohub.hub.finding import Found, Shape, find
from zoohub.registry import Registry

KEEP = 64 << 20  # bytes of the index that each process keeps in memory
_LENGTH = struct.Struct("<I")


class Searchers:
    """`count` processes that search the registry at `url`; each is started when first needed, and again if it dies.

    Belongs to one event loop.
    """

    def __init__(self, url: str, count: int) -> None:
        self._ends = [_End(url) for _ in range(max(count, 1))]
        self._turn = itertools.count()

    async def find(self, wanted: Mapping[str, Any], shape: Shape) -> Found:
        """What `finding.find` finds.

        Raises:
            BadRequest: no search can be that; OSError: no process can be started.
        """
        question = dict(wanted), shape.parts
        try:
            kind, result = await self._least_busy().ask(question)
        except ConnectionResetError:  # it died; asked again, it is started again
            kind, result = await self._least_busy().ask(question)
        if kind == "refused":
            raise BadRequest(result)
        if kind == "failed":
            raise RuntimeError(f"A search failed: {result}")
        found: Found = result
        return found

    def _least_busy(self) -> _End:
        turn = next(self._turn) % len(self._ends)
        return min(self._ends[turn:] + self._ends[:turn], key=lambda end: len(end.waiting))

    async def close(self) -> None:
        """Let all processes end."""
        for end in self._ends:
            await end.close()


class _End:
    """The server's end of the pipes to one process, which answers in the order in which it is asked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self.waiting: deque[asyncio.Future[Any]] = deque()

    async def ask(self, question: Any) -> Any:
        async with self._starting:
            if self._process is None:
                await self._start()
        process = self._process
        if process is None or process.stdin is None:
            raise ConnectionResetError("The process that searches has just ended")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        body = pickle.dumps(question, protocol=5)
        process.stdin.write(_LENGTH.pack(len(body)) + body)
        return await answer

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, self._url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, **_import_path()},
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while True:
                (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
                answer = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301  # our own child wrote it
                waiting = self.waiting.popleft()
                if not waiting.done():  # who asked may have gone away
                    waiting.set_result(answer)
        except asyncio.IncompleteReadError:
            self._process = None
            while self.waiting:
                waiting = self.waiting.popleft()
                if not waiting.done():
                    waiting.set_exception(ConnectionResetError("The process that searches has ended"))

    async def close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            process = self._process
            self._process.stdin.close()
            await process.wait()
        if self._reader is not None:
            await self._reader


def _import_path() -> dict[str, str]:
    """The child finds the same packages."""
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def serve(url: str, asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer searches until the other end closes its pipe."""
    with Registry.open(url, catalog=False, keep=KEEP) as registry:
        while len(head := asked.read(_LENGTH.size)) == _LENGTH.size:
            wanted, parts = pickle.loads(asked.read(_LENGTH.unpack(head)[0]))  # noqa: S301  # the server wrote it
            body = pickle.dumps(_result(registry, wanted, parts), protocol=5)
            answers.write(_LENGTH.pack(len(body)) + body)
            answers.flush()


def _result(registry: Registry, wanted: Mapping[str, Any], parts: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "found", find(registry, wanted, Shape.of(*parts))
    except ZooError as error:
        return "refused", error.message
    except Exception as error:  # noqa: BLE001  # told to the server, which logs it
        return "failed", repr(error)


if __name__ == "__main__":
    import signal

    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # they reach the whole group; the server says when this ends
        signal.signal(number, signal.SIG_IGN)
    serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
