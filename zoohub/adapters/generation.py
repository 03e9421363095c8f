"""Text tasks that write: translation and summarization, generation and chat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from zoohub.adapters import hf
from zoohub.adapters.base import refuse
from zoohub.adapters.data import Examples
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Text
from zoohub.adapters.text import Texts, text_and_pair
from zoohub.errors import CapabilityError

if TYPE_CHECKING:
    pass


class Rewriter(Texts):
    """Translation and summarization by encoder-decoders.

    Options: `source` and `target`, the languages, as the tokenizer of a many-language model names them; `prefix`, words
    that the model wants before each text ("summarize: ").
    """

    tasks = ("translation", "summarization")
    strategies = ("lora", "full")
    auto = "AutoModelForSeq2SeqLM"
    options: ClassVar[Mapping[str, Any]] = {
        "max_new_tokens": 256, "num_beams": None, "source": None, "target": None, "prefix": None,
    }  # fmt: skip
    plan = Plan(items=16, budget=2048, window=512)

    def prepare(self, item: Any) -> Any:
        """Token numbers of a text, and the text itself, which `source` and `prefix` are put before."""
        return {**super().prepare(item), "text": text_and_pair(item)[0]}

    def answer(
        self,
        samples: Sequence[Any],
        *,
        source: str | None = None,
        target: str | None = None,
        prefix: str | None = None,
        **options: Any,
    ) -> Sequence[Any]:
        """A `Text` for each text; `finished` is off where the limit cut it."""
        batch = self.tensors([self._tokens(sample, source, prefix) for sample in samples])
        more = {k: v for k, v in options.items() if v is not None}
        if target is not None:
            more["forced_bos_token_id"] = self._language(target)
        with hf.quiet():
            made = self.module.generate(**batch, **more)
        ends = self.module.generation_config.eos_token_id
        ending = set(ends if isinstance(ends, list) else [ends])
        texts = self.tokenizer.batch_decode(made, skip_special_tokens=True)
        done = [bool(ending & set(row)) for row in made[:, 1:].tolist()]
        return [Text(text.strip(), finished) for text, finished in zip(texts, done, strict=True)]

    def _tokens(self, sample: Mapping[str, Any], source: str | None, prefix: str | None) -> dict[str, Any]:
        """The token numbers of a sample, read anew where a language or a prefix comes before the text."""
        if not (source or prefix):
            return {name: value for name, value in sample.items() if name != "text"}
        if source:
            if not hasattr(self.tokenizer, "src_lang"):
                raise CapabilityError(f"{self.id} translates from one language; it takes no source.")
            self._language(source)
            self.tokenizer.src_lang = source
        return super().prepare(f"{prefix or ''}{sample['text']}")  # type: ignore[no-any-return]

    def _language(self, name: str) -> int:
        number = self.tokenizer.convert_tokens_to_ids(name)
        if number is None or number == self.tokenizer.unk_token_id:
            raise CapabilityError(f"{self.id} has no language {name!r}.")
        return int(number)

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """Tokens of the text and of what it becomes."""
        wanted = target[0] if isinstance(target, list) else target
        labels = self.tokenizer(text_target=wanted, truncation=True, max_length=self.limit)["input_ids"]
        return [{**super().prepare(item), "labels": labels}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Both sides, padded."""
        return hf.pad(rows, self.tokenizer)


class Writer(Texts):
    """Text generation by causal language models: prompts, or chats as lists of `{"role", "content"}`."""

    tasks = ("text-generation",)
    strategies = ("lora", "full")
    auto = "AutoModelForCausalLM"
    options: ClassVar[Mapping[str, Any]] = {
        "max_new_tokens": 128, "temperature": None, "top_p": None, "top_k": None, "do_sample": None,
    }  # fmt: skip
    plan = Plan(items=8, budget=8192, window=64)

    def _open(self, labels: Sequence[str] | None) -> None:
        super()._open(None)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    def is_one(self, inputs: Any) -> bool:
        """A chat is one input, though it is a list."""
        return _is_chat(inputs) or super().is_one(inputs)

    def prepare(self, item: Any) -> Any:
        """Tokens of a prompt, or of a chat by the model's own template (rendered in a sandbox)."""
        text, rendered = self._prompt(item)
        found = self.tokenizer(text, truncation=True, max_length=self.limit, add_special_tokens=not rendered)
        return {k: v for k, v in found.items() if k in ("input_ids", "attention_mask")}

    def _prompt(self, item: Any, *, reply: bool = True) -> tuple[str, bool]:
        if isinstance(item, str):
            return item, False
        if not _is_chat(item):
            raise refuse(item, "a prompt, or a chat as a list of {'role': ..., 'content': ...}")
        template = self.tokenizer.chat_template
        if not isinstance(template, str):
            raise CapabilityError(f"{self.id} has no chat template.", "Give it a plain prompt.")
        from zoohub.weights import render_chat_template

        special: dict[str, Any] = {
            k: v for k, v in self.tokenizer.special_tokens_map.items() if isinstance(v, str)
        }
        return render_chat_template(template, list(item), add_generation_prompt=reply, **special), True

    def answer(self, samples: Sequence[Any], **options: Any) -> Sequence[Any]:
        """The continuation of each prompt, without the prompt."""
        batch = self.tensors(samples)
        with hf.quiet():
            made = self.module.generate(
                **batch, pad_token_id=self.tokenizer.pad_token_id, **_chosen_sampling(options)
            )
        new = made[:, batch["input_ids"].shape[1] :]
        texts = self.tokenizer.batch_decode(new, skip_special_tokens=True)
        ending = self.tokenizer.eos_token_id
        return [Text(text, ending in row) for text, row in zip(texts, new.tolist(), strict=True)]

    def stream(self, prompt: Any, **options: Any) -> Iterator[str]:
        """The continuation of one prompt or chat, piece by piece as it is written.

        Raises:
            InputError: the prompt is neither text nor chat.
        """
        from threading import Thread

        from transformers import TextIteratorStreamer

        chosen = {**self.options, **options}
        batch = self.tensors([self.prepare(prompt)])
        pieces = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        more = {"pad_token_id": self.tokenizer.pad_token_id, "streamer": pieces, **_chosen_sampling(chosen)}
        Thread(target=self.module.generate, kwargs={**batch, **more}, daemon=True).start()
        yield from (piece for piece in pieces if piece)

    def judge(self, examples: Examples, **_: Any) -> Sequence[Any]:
        """(summed negative log likelihood, tokens) of each text: what perplexity is made of."""
        rows = [self.learn(item, target)[0] for item, target in examples]
        work = self.without_gradient(self._losses)
        return [pair for i in range(0, len(rows), 8) for pair in work(rows[i : i + 8])]

    def _losses(self, rows: Sequence[dict[str, Any]]) -> list[tuple[float, int]]:
        import torch

        batch = {k: v.to(self.device) for k, v in self.collate(rows).items()}
        labels = batch.pop("labels")[:, 1:]
        logits = self.module(**batch).logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=-100, reduction="none"
        )
        counts = (labels != -100).sum(1)
        return [(float(a), int(b)) for a, b in zip(loss.sum(1), counts, strict=True)]

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """Tokens of the text; where there is a completion, the prompt's tokens are not learned."""
        text, rendered = self._prompt(item, reply=target is not None)
        start = self.tokenizer(text, add_special_tokens=not rendered)["input_ids"]
        ending = [self.tokenizer.eos_token_id] if self.tokenizer.eos_token_id is not None else []
        rest = (
            self.tokenizer(str(target), add_special_tokens=False)["input_ids"] if target is not None else []
        )
        tokens = (start + rest + ending)[: self.limit]
        hidden = len(start) if target is not None else 0
        labels = ([-100] * hidden + tokens[hidden:])[: self.limit]
        return [{"input_ids": tokens, "attention_mask": [1] * len(tokens), "labels": labels}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Padded tokens and labels."""
        return hf.pad(rows, self.tokenizer)


def _is_chat(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and all(isinstance(m, Mapping) and "role" in m for m in item)


def _chosen_sampling(options: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {name: value for name, value in options.items() if value is not None}
    if "do_sample" not in chosen and ("temperature" in chosen or "top_p" in chosen):
        chosen["do_sample"] = True
    return chosen
