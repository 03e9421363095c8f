"""Whisper on long sound: zoohub beside the pipeline of transformers, same files, same text.

    python benchmarks/speech.py --model FOLDER --sound FILE [--seconds 600] [--repeats 1]

Both read ten seconds first, so that neither is the one that warms up. Prints one JSON line: seconds of each, their
ratio (above 1: zoohub is faster), the same in processor time, which other work on the machine disturbs less, and
whether the texts are equal.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a Whisper folder")
    parser.add_argument("--sound", required=True, help="a recording; it is repeated to --seconds")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: its own choice")
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()

    import numpy as np
    import torch
    from transformers import pipeline
    from transformers.utils import logging

    import zoohub
    from zoohub.adapters.sound import read_audio

    logging.set_verbosity_error()
    if args.threads:
        torch.set_num_threads(args.threads)
    once = read_audio(args.sound, 16_000)
    sound = np.tile(once, -(-args.seconds * 16_000 // len(once)))[: args.seconds * 16_000]
    ours = zoohub.load(args.model)
    peer = pipeline("automatic-speech-recognition", model=args.model, dtype=torch.float32)

    greedy = {"num_beams": 1}  # the pipeline's own default of 5 beams is slower, and reads otherwise

    def peer_text(sound: np.ndarray) -> str:
        return peer({"raw": sound, "sampling_rate": 16_000}, return_timestamps=True, generate_kwargs=greedy)[
            "text"
        ].strip()

    def our_text(sound: np.ndarray) -> str:
        return ours.predict(sound, timestamps=True).text

    sides = {"zoohub": our_text, "pipeline": peer_text}
    times: dict[str, list[float]] = {name: [] for name in sides}
    busy: dict[str, list[float]] = {name: [] for name in sides}
    texts: dict[str, str] = {}
    for work in sides.values():
        work(sound[: 10 * 16_000])
    for _ in range(args.repeats):
        for name, work in sides.items():
            before = time.process_time()
            seconds, texts[name] = timed(partial(work, sound))
            times[name].append(seconds)
            busy[name].append(time.process_time() - before)
    middle = {name: round(median(values), 2) for name, values in times.items()}
    result = {
        "benchmark": "whisper",
        "audio_seconds": args.seconds,
        **middle,
        "ratio": round(middle["pipeline"] / middle["zoohub"], 3),
        "processor_ratio": round(median(busy["pipeline"]) / median(busy["zoohub"]), 3),
        "equal_text": texts["zoohub"] == texts["pipeline"],
        "words": len(texts["zoohub"].split()),
    }
    print(json.dumps(result))


def timed(work: Callable[[], str]) -> tuple[float, str]:
    start = time.perf_counter()
    text = work()
    return time.perf_counter() - start, text


if __name__ == "__main__":
    main()
