"""A translator from nothing: a tiny Marian, made from a config, learns from the pairs that it is given.

    python examples/translation.py [PAIRS.jsonl [EPOCHS]]

PAIRS.jsonl has the keys `source` and `target`, as pairs of Multi30k may be laid out. Without it the sentences are made
here, and those that are tested were never seen, only their parts. A model of under a million numbers learns such a
small language; it is no translator for real sentences. For those fine-tune one that can translate already:
`zoohub.load("Helsinki-NLP/opus-mt-en-de").finetune(...)` - the call is the same.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import tempfile
from pathlib import Path

import zoohub

WHO = {"a man": "ein Mann", "a woman": "eine Frau", "a child": "ein Kind", "a dog": "ein Hund",
       "an old man": "ein alter Mann", "a young girl": "ein junges Mädchen"}  # fmt: skip
DOES = {"runs": "läuft", "sits": "sitzt", "sleeps": "schläft", "waits": "wartet", "plays": "spielt"}
WHERE = {"in the park": "im Park", "on the street": "auf der Straße", "near the river": "am Fluss",
         "in the snow": "im Schnee", "on the beach": "am Strand", "in front of a house": "vor einem Haus"}  # fmt: skip


def main(pairs: Path | None, output: Path, epochs: float = 20) -> float:
    rows = made() if pairs is None else read(pairs)
    base = zoohub.load(tiny_marian(output / "base", rows), task="translation")
    print(f"{base.parameters:,} numbers, {len(rows)} pairs")
    tuned = base.finetune(
        rows, strategy="full", epochs=epochs, learning_rate=2e-3, eval=0.1, patience=None, register=False,
        output=output / "translator",
    )  # fmt: skip
    run = json.loads((output / "translator" / "training.json").read_text(encoding="utf-8"))
    measured = run["evaluation"]["metrics"]
    for name, value in measured.items():
        print(f"{name} {value['value']:.1f} [{value['low']:.1f}, {value['high']:.1f}] on pairs never seen")
    for row in rows[:3]:
        print(f"{row['source']}  ->  {tuned.predict(row['source']).text}")
    return float(measured["BLEU"]["value"])


def made() -> list[dict[str, str]]:
    """Every who with every deed and place, shuffled."""
    parts = itertools.product(WHO.items(), DOES.items(), WHERE.items())
    rows = [
        {"source": f"{who[0]} {does[0]} {where[0]} .", "target": f"{who[1]} {does[1]} {where[1]} ."}
        for who, does, where in parts
    ]
    random.Random(0).shuffle(rows)
    return rows


def read(pairs: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]


def tiny_marian(folder: Path, rows: list[dict[str, str]]) -> Path:
    """An untrained model and a tokenizer whose pieces come from the pairs themselves."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=4000, special_tokens=["<pad>", "</s>", "<unk>"], show_progress=False
    )
    core.train_from_iterator((text for row in rows for text in row.values()), trainer)
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=len(tokenizer), d_model=96, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=192, decoder_ffn_dim=192, max_position_embeddings=512, dropout=0.1,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=None, scale_embedding=True,
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(given[0]) if given else None, Path(scratch), *map(float, given[1:2]))
