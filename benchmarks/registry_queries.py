"""Varied queries of each kind, and how their times are reported: shared by the registry and its peers."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from zoohub.registry import ModelRecord, Query

QUERIES = 200
WORDS = ("llama", "qwen", "bert", "mistral", "gemma", "whisper", "lora", "gguf", "instruct", "vision", "model", "tiny", "coder",
         "medical", "german", "7b", "finetuned", "sft", "reward", "embedding", "diffusion", "abliterated", "flux", "tts")  # fmt: skip


def report(kind: str, **figures: Any) -> None:
    print(json.dumps({"what": kind, **figures}), flush=True)


def timed(kind: str, asks: Iterable[Callable[[], Any]], **more: Any) -> None:
    """Median and p99, in milliseconds."""
    times, sizes = [], []
    for ask in asks:
        started = time.perf_counter()
        answer = ask()
        times.append((time.perf_counter() - started) * 1000)
        sizes.append(len(answer) if hasattr(answer, "__len__") else 1)
    times.sort()
    report(kind, n=len(times), p50_ms=round(statistics.median(times), 3), p99_ms=round(times[int(len(times) * 0.99) - 1], 3),
           answered=sum(size > 0 for size in sizes), **more)  # fmt: skip


def queries(real: list[ModelRecord], seed: int = 1) -> dict[str, list[Query]]:
    """Varied queries of each kind, built from what real models are and are called."""
    rnd = random.Random(seed)
    words = [
        word for each in real for word in each.name.lower().replace("_", "-").split("-") if word.isalnum()
    ]

    def word() -> str:
        return rnd.choice(WORDS) if rnd.random() < 0.5 else rnd.choice(words)

    def facets(count: int) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        while len(chosen) < count:
            each = rnd.choice(real)
            options = {"task": each.task, "license": each.license, "library": each.library, "author": each.author,
                       "language": each.languages[0] if each.languages else None}  # fmt: skip
            name = rnd.choice(list(options))
            if options[name]:
                chosen[name] = options[name]
        return chosen

    made: dict[str, list[Query]] = {
        "facet": [Query.of(**facets(rnd.choice([1, 1, 2])), limit=20) for _ in range(QUERIES)],
        "text by popularity": [Query.of(word(), sort="downloads", limit=20) for _ in range(QUERIES)],
        "two words by popularity": [Query.of(f"{word()} {word()}", sort="downloads", limit=20) for _ in range(QUERIES)],
        "text and two facets": [Query.of(word(), **facets(2), sort="downloads", limit=20) for _ in range(QUERIES)],
        "text by relevance": [Query.of(word(), limit=20) for _ in range(QUERIES)],
        "two words by relevance": [Query.of(f"{word()} {word()}", limit=20) for _ in range(QUERIES)],
        "phrase": [Query.of(f'"{rnd.choice(WORDS)} {rnd.choice(WORDS)}"', limit=20) for _ in range(QUERIES)],
        "parameters from to": [Query.of(min_params=low, max_params=2 * low, limit=20)
                               for low in (int(10 ** rnd.uniform(6, 11)) for _ in range(QUERIES))],
        "facet by likes": [Query.of(**facets(1), sort="likes", limit=20) for _ in range(QUERIES)],
        "text by update": [Query.of(word(), sort="updated", limit=20) for _ in range(QUERIES)],
        "text by parameters, ascending": [Query.of(word(), sort="parameters", ascending=True, limit=20) for _ in range(QUERIES)],
    }  # fmt: skip
    made["facet deep page"] = [replace(query, limit=500) for query in made["facet"]]
    return made
