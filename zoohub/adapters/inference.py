"""How inputs reach a model: read ahead in threads, batched by length, answered in the order given.

Nothing here knows what an input is. A family reads one input (`prepare`), says how long it is (`weigh`)
and answers a batch (`answer`); this file does the rest, once, for all families.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from zoohub.adapters.results import Failed
from zoohub.errors import InputError


@dataclass(frozen=True, slots=True)
class Plan:
    """How to batch.

    `items` is the most inputs in a batch; `budget` the most padded length of a batch (items x longest), None
    where all inputs are of one size. `window` inputs are read ahead and sorted by length together; the first such
    window has `first` of them, so that answers come soon. `workers` threads read them; with 0 they are read in the
    calling thread.
    """

    items: int
    budget: int | None = None
    window: int = 1024
    workers: int = 0
    first: int = 32


@dataclass(frozen=True, slots=True)
class Steps:
    """What a family does: read one input, weigh it, answer a batch of read inputs."""

    prepare: Callable[[Any], Any]
    weigh: Callable[[Any], int]
    answer: Callable[[Sequence[Any]], Sequence[Any]]


def stream(inputs: Iterable[Any], steps: Steps, plan: Plan, *, strict: bool) -> Iterator[Any]:
    """Answers in the order of `inputs`, as they come; memory does not grow with their number.

    An input that cannot be read ends the stream with its `InputError`, or, without `strict`, becomes a
    `Failed` while the others go on.
    """
    batcher = _Batcher(steps, plan)
    for window in _read_ahead(inputs, steps.prepare, plan, strict):
        good = [(place, sample) for place, sample in enumerate(window) if not isinstance(sample, Failed)]
        answers: list[Any] = list(window)
        for place, answer in batcher.run(good):
            answers[place] = answer
        yield from answers


def _read_ahead(
    inputs: Iterable[Any], prepare: Callable[[Any], Any], plan: Plan, strict: bool
) -> Iterator[list[Any]]:
    """Windows of read inputs. They begin small, so that answers come soon; the next is read meanwhile."""

    def read(item: Any) -> Any:
        try:
            return prepare(item)
        except InputError as error:
            if strict:
                raise
            return Failed(error.message, input=_name(item))

    source = iter(inputs)
    size = min(plan.first, plan.window)
    if not plan.workers:
        while items := list(islice(source, size)):
            yield [read(item) for item in items]
            size = min(size * 2, plan.window)
        return
    pool = ThreadPoolExecutor(plan.workers, thread_name_prefix="zoohub-read")
    try:
        ahead: list[Future[Any]] = [pool.submit(read, item) for item in islice(source, size)]
        while ahead:
            size = min(size * 2, plan.window)
            now, ahead = ahead, [pool.submit(read, item) for item in islice(source, size)]
            yield [future.result() for future in now]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _name(item: Any) -> str:
    return str(item)[:200] if isinstance(item, str | os.PathLike) else type(item).__name__


class _Batcher:
    """Runs batches of like length, and remembers a smaller size once memory was short."""

    def __init__(self, steps: Steps, plan: Plan) -> None:
        self.steps, self.items, self.budget = steps, plan.items, plan.budget

    def run(self, samples: Sequence[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """(place, answer) of each (place, sample), longest first: memory fails early or not at all."""
        weights = [self.steps.weigh(sample) for _, sample in samples]
        order = sorted(range(len(samples)), key=lambda i: -weights[i])
        done = 0
        while done < len(order):
            count = self._fit(weights[order[done]])
            chosen = [samples[i] for i in order[done : done + count]]
            try:
                answers = self.steps.answer([sample for _, sample in chosen])
            except Exception as error:
                if not is_out_of_memory(error) or count == 1:
                    raise
                self._shrink()
                continue
            yield from zip([place for place, _ in chosen], answers, strict=True)
            done += count

    def _fit(self, longest: int) -> int:
        if self.budget is None or longest <= 0:
            return self.items
        return max(1, min(self.items, self.budget // longest))

    def _shrink(self) -> None:
        self.items = max(1, self.items // 2)
        self.budget = self.budget // 2 if self.budget else None
        free_memory()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the machine ran out of memory (each library says so in its own words)."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def free_memory() -> None:
    """Give unused memory back to the device."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def with_progress(answers: Iterable[Any], total: int | None, show: bool, what: str) -> Iterator[Any]:
    """The same answers, with a bar on stderr when `show` is on."""
    if not show:
        yield from answers
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit="", dynamic_ncols=True) as bar:
        for answer in answers:
            yield answer
            bar.update()
