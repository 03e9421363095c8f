"""The calls that load a model: which argument names it, and which namer knows what the name stands for.

A new library is one row. `package` is the root of the import (empty: a method of any object), `name` the
last part of
the call, `position` and `keywords` say where the model stands, `via` is a part the dotted name must hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zoohub.audit.codescan import names
from zoohub.audit.codescan.names import Named
from zoohub.audit.words import words


@dataclass(frozen=True, slots=True)
class Loader:
    """One call that loads a model; `second` is an argument that makes the name whole (position, keyword)."""

    package: str
    name: str
    namer: Callable[[str], Named]
    position: int | None = 0
    keywords: tuple[str, ...] = ()
    via: str = ""
    second: tuple[int, str] | None = None
    also: tuple[str, ...] = ()
    kind: str = ""


def _rows(
    packages: str,
    calls: str,
    namer: Callable[[str], Named],
    position: int | None,
    keywords: str,
    **more: object,
) -> list[Loader]:
    return [
        Loader(package, name, namer, position, tuple(keywords.split()), **more)  # type: ignore[arg-type]
        for package in packages.split() or [""]
        for name in calls.split()
    ]


_PRETRAINED = (
    "pretrained_model_name_or_path pretrained_model_name model_name_or_path model_id repo_id model_name model"
)
_LANGCHAIN = "langchain langchain_community langchain_huggingface langchain_core"

LOADERS: tuple[Loader, ...] = (
    # methods of any object
    *_rows("", "from_pretrained from_quantized", names.hub, 0, _PRETRAINED),
    *_rows("", "from_preset", names.keras_hub, 0, "preset"),
    *_rows("", "from_model_id", names.hub, 0, "model_id"),
    *_rows("", "from_hparams", names.hub, 0, "source"),
    *_rows("", "from_single_file", names.bucket, 0, "pretrained_model_link_or_path"),
    *_rows("", "load_lora_weights load_textual_inversion load_ip_adapter load_attn_procs "
               "load_adapter", names.hub, 0,
           "pretrained_model_name_or_path_or_dict pretrained_model_name_or_path peft_model_id"),
    *_rows("", "hf_hub_download snapshot_download hf_hub_url try_to_load_from_cache", names.hub, 0, "repo_id",
           kind="download"),
    # the same names where another package gives them another meaning
    *_rows("modelscope", "from_pretrained", names.modelscope, 0, _PRETRAINED),
    *_rows("modelscope", "snapshot_download model_file_download "
                         "dataset_snapshot_download", names.modelscope, 0,
           "model_id repo_id", kind="download"),
    *_rows("peft", "from_pretrained", names.hub, 1, "model_id", kind="peft"),
    # functions and classes of packages
    *_rows("transformers optimum", "pipeline", names.hub, 1, "model", also=("tokenizer", "image_processor"),
           kind="pipeline"),
    *_rows("modelscope", "pipeline", names.modelscope, 1, "model"),
    *_rows("sentence_transformers", "SentenceTransformer", names.sentence, 0, "model_name_or_path"),
    *_rows("sentence_transformers", "CrossEncoder SparseEncoder", names.hub, 0, "model_name_or_path "
                                                                                "model_name"),
    *_rows("timm", "create_model", names.timm, 0, "model_name", kind="pretrained"),
    *_rows("torch", "load", names.github, 0, "repo_or_dir", via=".hub.", second=(1, "model"),
        kind="torch.hub"),
    *_rows("torch", "load_state_dict_from_url download_url_to_file load_url", names.bucket, 0, "url"),
    *_rows("whisper whisper_timestamped stable_whisper", "load_model", names.whisper, 0, "name"),
    *_rows("whisperx", "load_model", names.faster_whisper, 0, "whisper_arch"),
    *_rows("faster_whisper", "WhisperModel", names.faster_whisper, 0, "model_size_or_path"),
    *_rows("mlx_whisper", "transcribe", names.hub, None, "path_or_hf_repo"),
    *_rows("spacy", "load", names.spacy, 0, "name"),
    *_rows("spacy", "download", names.spacy, 0, "model", via=".cli."),
    *_rows("vllm tensorrt_llm", "LLM", names.hub, 0, "model", also=("tokenizer", "speculative_model")),
    *_rows("vllm", "EngineArgs AsyncEngineArgs", names.hub, None, "model"),
    *_rows("sglang", "Engine", names.hub, None, "model_path"),
    *_rows("lmdeploy", "pipeline", names.hub, 0, "model_path"),
    *_rows("mlx_lm mlx_vlm", "load", names.hub, 0, "path_or_hf_repo"),
    *_rows("ollama", "chat generate pull embed embeddings show push", names.ollama, 0, "model"),
    *_rows(f"{_LANGCHAIN} langchain_ollama llama_index", "ChatOllama OllamaLLM OllamaEmbeddings Ollama "
                                                         "OllamaEmbedding",
           names.ollama, None, "model model_name"),
    *_rows("open_clip", "create_model_and_transforms create_model create_model_from_pretrained get_tokenizer",
           names.open_clip, 0, "model_name", second=(1, "pretrained")),
    *_rows("clip", "load", names.clip, 0, "name"),
    *_rows("huggingface_hub", "InferenceClient AsyncInferenceClient", names.hub, 0, "model"),
    *_rows(_LANGCHAIN, "HuggingFaceEmbeddings HuggingFaceBgeEmbeddings HuggingFaceInstructEmbeddings "
           "SentenceTransformerEmbeddings HuggingFaceCrossEncoder", names.sentence, None, "model_name model"),
    *_rows(_LANGCHAIN, "HuggingFaceEndpoint HuggingFaceHub", names.hub, None, "repo_id model"),
    *_rows("llama_index", "HuggingFaceEmbedding HuggingFaceLLM SentenceTransformerRerank", names.hub, 0,
           "model_name model", also=("tokenizer_name",)),
    *_rows("chromadb", "SentenceTransformerEmbeddingFunction", names.sentence, 0, "model_name"),
    *_rows("haystack", "SentenceTransformersTextEmbedder SentenceTransformersDocumentEmbedder "
                       "HuggingFaceLocalGenerator "
           "TransformersSimilarityRanker ExtractiveReader", names.sentence, 0, "model"),
    *_rows("fastembed", "TextEmbedding SparseTextEmbedding ImageEmbedding", names.hub, 0, "model_name"),
    *_rows("keybert", "KeyBERT", names.sentence, 0, "model"),
    *_rows("bertopic", "BERTopic", names.sentence, None, "embedding_model"),
    *_rows("FlagEmbedding", "FlagModel BGEM3FlagModel FlagReranker FlagLLMReranker "
                            "FlagAutoModel", names.hub, 0,
           "model_name_or_path"),
    *_rows("ultralytics", "YOLO RTDETR", names.ultralytics, 0, "model"),
    *_rows("funasr", "AutoModel", names.modelscope, None, "model", also=("vad_model", "punc_model",
        "spk_model")),
    *_rows("trl", "SFTTrainer DPOTrainer GRPOTrainer RewardTrainer KTOTrainer "
                  "ORPOTrainer", names.hub, 0, "model"),
    *_rows("flair", "TransformerWordEmbeddings TransformerDocumentEmbeddings", names.hub, 0, "model"),
    *_rows("flair", "load", names.hub, 0, "model_path", via=".models."),
    *_rows("tensorflow_hub", "load KerasLayer", names.bucket, 0, "handle"),
)  # fmt: skip

BY_NAME: dict[str, tuple[Loader, ...]] = {}
for _loader in LOADERS:
    BY_NAME[_loader.name] = (*BY_NAME.get(_loader.name, ()), _loader)

# Keywords that name a repository whatever is called; taken only where the value is spelled as a repository.
GENERIC_KEYWORDS = words(
    "pretrained_model_name_or_path model_name_or_path base_model_name_or_path hf_model_id hf_repo_id"
)

# What a Python file must hold to be worth parsing.
TOKENS = sorted({loader.name for loader in LOADERS} - {"load", "chat", "generate", "pull", "show", "push",
    "embed",
                                                        "Engine", "LLM", "YOLO", "download"})  # fmt: skip
PACKAGES = sorted({"spacy", "ollama", "vllm", "tensorrt_llm", "sglang", "mlx_lm", "mlx_vlm", "clip",
    "ultralytics",
                   "flair", "tensorflow_hub"})  # fmt: skip


def find(name: str, qualified: str | None) -> Loader | None:
    """The loader that a call is, by its last name and its dotted name (None: a method of some object)."""
    root = (qualified or "").partition(".")[0]
    anyone = None
    for loader in BY_NAME.get(name, ()):
        if not loader.package:
            anyone = loader
        elif loader.package == root and loader.via in f"{qualified}":
            return loader
    return anyone
