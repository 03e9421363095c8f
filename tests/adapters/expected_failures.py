"""What the conformance suite knows beforehand: how many clauses are about each case, and which are broken."""

from __future__ import annotations

# Clauses that an adapter is known to break: {case: {clause: reason}}. One that is listed and kept fails the suite, so
# that the list does not outlive its reasons.
EXPECTED: dict[str, dict[str, str]] = {}

# How many of the clauses apply to each case: a clause that no longer looks at an adapter is noticed.
APPLY: dict[str, int] = {
    "transformers-images:image-classification": 18,
    "transformers-images:image-feature-extraction": 18,
    "timm-images:image-classification": 18,
    "timm-images:image-feature-extraction": 18,
    "torchvision-images:image-classification": 18,
    "torchvision-images:image-feature-extraction": 18,
    "transformers-boxes:object-detection": 16,
    "transformers-masks:image-segmentation": 17,
    "transformers-masks:image-segmentation, things": 17,
    "transformers-masks:image-segmentation, outlines": 17,
    "transformers-depth:depth-estimation": 15,
    "transformers-named-images:zero-shot-image-classification": 16,
    "transformers-texts:text-classification": 19,
    "transformers-embeddings:feature-extraction": 19,
    "transformers-embeddings:sentence-similarity": 19,
    "transformers-spans:token-classification": 18,
    "transformers-answers:question-answering": 17,
    "transformers-rewriting:translation": 18,
    "transformers-rewriting:summarization": 17,
    "transformers-writing:text-generation": 18,
    "transformers-gaps:fill-mask": 16,
    "transformers-zero-shot:zero-shot-classification": 16,
    "transformers-ranking:text-ranking": 15,
    "transformers-recognition:automatic-speech-recognition": 18,
    "transformers-recognition:automatic-speech-recognition, CTC": 18,
    "transformers-sounds:audio-classification": 19,
    "transformers-speakers:speaker-verification": 17,
    "transformers-speech:text-to-speech": 13,
    "transformers-speech:text-to-audio": 13,
    "transformers-captions:image-to-text": 14,
    "transformers-picture-chat:image-text-to-text": 13,
    "transformers-picture-questions:visual-question-answering": 13,
    "transformers-page-questions:document-question-answering": 13,
    "transformers-named-things:zero-shot-object-detection": 14,
    "onnx-images:image-classification": 12,
    "onnx-fastestdet:object-detection": 11,
    "onnx-hibari:text-to-speech": 10,
    "onnx-lac:token-classification": 12,
    "onnx-silero-vad:voice-activity-detection": 11,
    "pytorch-resemblyzer:speaker-verification": 14,
}
