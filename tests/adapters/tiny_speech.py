"""Tiny real models that hear, speak, or read pictures with words; as `tiny`, one function each."""

from __future__ import annotations

import json
from pathlib import Path

import tiny

LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'")


def whisper(folder: Path, *, multilingual: bool = True, seconds: int = 30) -> Path:
    """A Whisper of two layers that hears `seconds` at once; its vocabulary has letters, languages and time stamps."""
    from tokenizers import pre_tokenizers
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    tiny._seed()
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>", "<|startoftranscript|>"]
    if multilingual:
        special += ["<|en|>", "<|zh|>", "<|translate|>", "<|transcribe|>"]
    special += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    times = [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
    vocab = {piece: i for i, piece in enumerate([*letters, *special, *times])}
    words = WhisperTokenizer({letter: vocab[letter] for letter in letters}, [])
    words.add_special_tokens({"extra_special_tokens": special})
    words.add_tokens(times)
    assert words.convert_tokens_to_ids(times[-1]) == vocab[times[-1]]
    config = WhisperConfig(
        vocab_size=len(vocab), d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, num_mel_bins=80,
        max_source_positions=50 * seconds, max_target_positions=64, pad_token_id=vocab["<|endoftext|>"],
        bos_token_id=vocab["<|endoftext|>"], eos_token_id=vocab["<|endoftext|>"],
        decoder_start_token_id=vocab["<|startoftranscript|>"], suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    module = WhisperForConditionalGeneration(config)
    wanted = module.generation_config
    wanted.no_timestamps_token_id = vocab["<|notimestamps|>"]
    wanted._from_model_config = False  # else it is thought derived and thrown away on loading
    wanted.is_multilingual = multilingual
    wanted.max_length = 24
    wanted.alignment_heads = [[1, 0], [1, 1]]
    wanted.prev_sot_token_id = vocab["<|startofprev|>"]
    if multilingual:
        wanted.lang_to_id = {f"<|{code}|>": vocab[f"<|{code}|>"] for code in ("en", "zh")}
        wanted.task_to_id = {name: vocab[f"<|{name}|>"] for name in ("translate", "transcribe")}
    module.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(feature_size=80, chunk_length=seconds), words).save_pretrained(
        folder
    )
    return folder


def _wav2vec2(labels: tuple[str, ...] | None = None, **more: object) -> object:
    from transformers import Wav2Vec2Config

    names = labels or tiny.LABELS
    return Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, conv_dim=(16, 16, 16),
        conv_stride=(5, 8, 8), conv_kernel=(10, 8, 8), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        classifier_proj_size=16, vocab_size=len(LETTERS), id2label=dict(enumerate(names)), pad_token_id=0,
        label2id={name: i for i, name in enumerate(names)}, tdnn_dim=(16, 16), tdnn_kernel=(3, 1),
        tdnn_dilation=(1, 1), xvector_output_dim=16, mask_time_prob=0.0, layerdrop=0.0, **more,
    )  # fmt: skip


def _hears(folder: Path) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


def ctc(folder: Path) -> Path:
    """A Wav2Vec2 that spells."""
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC, Wav2Vec2Processor

    tiny._seed()
    Wav2Vec2ForCTC(_wav2vec2()).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({letter: i for i, letter in enumerate(LETTERS)}))
    words = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=True), words).save_pretrained(folder)
    return folder


def sounds(folder: Path) -> Path:
    """A Wav2Vec2 that classifies."""
    from transformers import Wav2Vec2ForSequenceClassification

    tiny._seed()
    Wav2Vec2ForSequenceClassification(_wav2vec2()).save_pretrained(folder)
    _hears(folder)
    return folder


def speakers(folder: Path) -> Path:
    """A Wav2Vec2 with an x-vector head."""
    from transformers import Wav2Vec2ForXVector

    tiny._seed()
    Wav2Vec2ForXVector(_wav2vec2()).save_pretrained(folder)
    _hears(folder)
    return folder


def vits(folder: Path) -> Path:
    """A VITS that reads aloud (noise, as its weights are random)."""
    from transformers import VitsConfig, VitsModel, VitsTokenizer

    tiny._seed()
    folder.mkdir(parents=True, exist_ok=True)
    letters = dict.fromkeys(" abcdefghijklmnopqrstuvwxyz")
    (folder / "vocab.json").write_text(json.dumps({letter: i for i, letter in enumerate(letters)}))
    config = VitsConfig(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=32,
        flow_size=16, spectrogram_bins=9, upsample_initial_channel=16, upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]],
        depth_separable_num_layers=1, duration_predictor_flow_bins=4, duration_predictor_num_flows=2,
        prior_encoder_num_flows=2, prior_encoder_num_wavenet_layers=1, posterior_encoder_num_wavenet_layers=1,
        wavenet_dilation_rate=1, sampling_rate=16_000,
    )  # fmt: skip
    VitsModel(config).save_pretrained(folder)
    VitsTokenizer(str(folder / "vocab.json"), phonemize=False, is_uroman=False).save_pretrained(folder)
    return folder


def captioner(folder: Path) -> Path:
    """A BLIP that describes pictures."""
    from transformers import BlipConfig, BlipForConditionalGeneration

    return _blip(folder, BlipConfig, BlipForConditionalGeneration)


def _blip(folder: Path, config: type, kind: type) -> Path:
    from transformers import AutoTokenizer, BlipImageProcessor, BlipProcessor

    tiny._seed()
    folder.mkdir(parents=True, exist_ok=True)
    size = tiny.word_tokenizer(folder)
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    words = AutoTokenizer.from_pretrained(folder)
    text = {**small, "vocab_size": size, "encoder_hidden_size": 32, "bos_token_id": words.cls_token_id,
            "pad_token_id": words.pad_token_id, "eos_token_id": words.sep_token_id,
            "sep_token_id": words.sep_token_id}  # fmt: skip
    settings = config(text_config=text, vision_config={**small, "image_size": 32, "patch_size": 16})
    kind(settings).save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), words).save_pretrained(folder)
    return folder


def visual_questions(folder: Path) -> Path:
    """A ViLT that chooses among three answers."""
    from transformers import (
        AutoTokenizer,
        ViltConfig,
        ViltForQuestionAnswering,
        ViltImageProcessor,
        ViltProcessor,
    )

    tiny._seed()
    folder.mkdir(parents=True, exist_ok=True)
    size = tiny.word_tokenizer(folder)
    names = dict(enumerate(tiny.LABELS))
    config = ViltConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=32, patch_size=16, id2label=names, label2id={name: i for i, name in names.items()},
    )  # fmt: skip
    ViltForQuestionAnswering(config).save_pretrained(folder)
    looks = ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=16)
    ViltProcessor(looks, AutoTokenizer.from_pretrained(folder)).save_pretrained(folder)
    return folder


def page_questions(folder: Path) -> Path:
    """A LayoutLMv2-style reader: LayoutLM v3 that points to words."""
    from tokenizers import pre_tokenizers
    from transformers import (
        LayoutLMv3Config,
        LayoutLMv3ForQuestionAnswering,
        LayoutLMv3ImageProcessor,
        LayoutLMv3Processor,
        LayoutLMv3Tokenizer,
    )

    tiny._seed()
    folder.mkdir(parents=True, exist_ok=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocab = {piece: i for i, piece in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    words = LayoutLMv3Tokenizer(vocab=vocab, merges=[])
    config = LayoutLMv3Config(
        vocab_size=len(vocab), hidden_size=48, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        coordinate_size=8, shape_size=8, input_size=32, patch_size=16, max_position_embeddings=130,
        max_2d_position_embeddings=1024,
    )  # fmt: skip
    LayoutLMv3ForQuestionAnswering(config).save_pretrained(folder)
    looks = LayoutLMv3ImageProcessor(apply_ocr=False, size={"height": 32, "width": 32})
    LayoutLMv3Processor(looks, words).save_pretrained(folder)
    return folder


def named_things(folder: Path) -> Path:
    """An OWL-ViT that looks for what is named."""
    from transformers import OwlViTConfig, OwlViTForObjectDetection, OwlViTImageProcessor, OwlViTProcessor

    tiny._seed()
    folder.mkdir(parents=True, exist_ok=True)
    size = tiny.word_tokenizer(folder)
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = OwlViTConfig(
        text_config={**small, "vocab_size": size, "max_position_embeddings": 16},
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=32,
    )
    OwlViTForObjectDetection(config).save_pretrained(folder)
    from transformers import AutoTokenizer

    looks = OwlViTImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False)
    OwlViTProcessor(looks, AutoTokenizer.from_pretrained(folder, model_max_length=16)).save_pretrained(folder)
    return folder
