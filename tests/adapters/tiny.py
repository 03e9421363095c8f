"""Tiny real models built from configs, one function each: what tests use in place of large weights.

Each writes a folder as the family's own library would, with random weights under a seed, and returns it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LABELS = ("cat", "dog", "owl")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = """
the a good bad film food was is very not room hotel great terrible nice who what where in paris lives ann bob
and works at acme question answer city river 好 坏 很 酒 店 房 间 不 吃 大
"""


def _names() -> dict[str, Any]:
    return {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}


def _seed() -> None:
    import torch

    torch.manual_seed(0)


def word_tokenizer(folder: Path) -> int:
    """A BERT tokenizer over WORDS, letters and digits; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [*SPECIAL, *WORDS.split(), *"abcdefghijklmnopqrstuvwxyz0123456789.,?!"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    core = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=core,
        model_max_length=64,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return len(vocab)


def image_processor(folder: Path, size: int = 32) -> None:
    """A processor that resizes, crops and normalizes."""
    values = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": size, "width": size},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(values))


def vit(folder: Path) -> Path:
    """A ViT image classifier of transformers."""
    from transformers import ViTConfig, ViTForImageClassification

    _seed()
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        **_names(),
    )
    ViTForImageClassification(config).save_pretrained(folder)
    image_processor(folder)
    return folder


def resnet(folder: Path) -> Path:
    """A ResNet image classifier of transformers (convolutions with batch norm)."""
    from transformers import ResNetConfig, ResNetForImageClassification

    _seed()
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **_names()
    )
    ResNetForImageClassification(config).save_pretrained(folder)
    image_processor(folder)
    return folder


def timm_resnet(folder: Path) -> Path:
    """A timm classifier, written as timm writes for the hub."""
    import timm
    from safetensors.torch import save_model

    _seed()
    args = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16], "stem_width": 8}
    module = timm.create_model("resnet18", pretrained=False, num_classes=3, **args)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(module, str(folder / "model.safetensors"))
    config = {
        "architecture": "resnet18",
        "num_classes": 3,
        "num_features": 16,
        "model_args": args,
        "pretrained_cfg": {"input_size": [3, 32, 32], "crop_pct": 1.0, "label_names": list(LABELS)},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def torchvision_shufflenet(folder: Path) -> Path:
    """A torchvision classifier with the config that zoohub gives such models."""
    import torchvision
    from safetensors.torch import save_model

    _seed()
    module = torchvision.models.get_model("shufflenet_v2_x0_5", weights=None, num_classes=3)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(module, str(folder / "model.safetensors"))
    config = {
        "library": "torchvision",
        "architecture": "shufflenet_v2_x0_5",
        "num_classes": 3,
        "input_size": [3, 32, 32],
        "crop_pct": 1.0,
        "label_names": list(LABELS),
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _bert(folder: Path) -> Any:
    from transformers import BertConfig

    folder.mkdir(parents=True, exist_ok=True)
    size = word_tokenizer(folder)
    _seed()
    return BertConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )


def bert_classifier(folder: Path) -> Path:
    """A BERT text classifier with two labels."""
    from transformers import BertForSequenceClassification

    config = _bert(folder)
    config.id2label, config.label2id = {0: "bad", 1: "good"}, {"bad": 0, "good": 1}
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def bert_encoder(folder: Path) -> Path:
    """A BERT encoder in the layout of sentence-transformers: mean pooling, normalized."""
    from transformers import BertModel

    BertModel(_bert(folder)).save_pretrained(folder)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listing = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listing))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


def _bert_for(folder: Path, kind: str, **names: Any) -> Path:
    import transformers

    config = _bert(folder)
    for name, value in names.items():
        setattr(config, name, value)
    getattr(transformers, f"BertFor{kind}")(config).save_pretrained(folder)
    return folder


def bert_tagger(folder: Path) -> Path:
    """A BERT that tags persons and places."""
    tags = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    names = {"id2label": dict(enumerate(tags)), "label2id": {tag: i for i, tag in enumerate(tags)}}
    return _bert_for(folder, "TokenClassification", **names)


def bert_reader(folder: Path) -> Path:
    """A BERT that finds answers in a text."""
    return _bert_for(folder, "QuestionAnswering")


def bert_gaps(folder: Path) -> Path:
    """A BERT that fills gaps."""
    return _bert_for(folder, "MaskedLM")


def bert_entailment(folder: Path) -> Path:
    """A BERT that says whether one text follows from another."""
    names = {0: "contradiction", 1: "neutral", 2: "entailment"}
    return _bert_for(
        folder, "SequenceClassification", id2label=names, label2id={v: k for k, v in names.items()}
    )


def bert_ranker(folder: Path) -> Path:
    """A BERT cross-encoder with one score."""
    return _bert_for(folder, "SequenceClassification", id2label={0: "score"}, label2id={"score": 0})


def t5(folder: Path) -> Path:
    """A T5 that rewrites text."""
    from transformers import T5Config, T5ForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    size = word_tokenizer(folder)
    _seed()
    config = T5Config(
        vocab_size=size, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=3,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


CHAT = (
    "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} [SEP] {% endfor %}"
    "{% if add_generation_prompt %}answer{% endif %}"
)


def gpt2(folder: Path) -> Path:
    """A GPT-2 that writes on, with a chat template."""
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    folder.mkdir(parents=True, exist_ok=True)
    size = word_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, eos_token="[SEP]")
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    _seed()
    config = GPT2Config(
        vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=64, bos_token_id=2, eos_token_id=3
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def yolos(folder: Path) -> Path:
    """A YOLOS detector."""
    from transformers import YolosConfig, YolosForObjectDetection

    folder.mkdir(parents=True, exist_ok=True)
    _seed()
    config = YolosConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[32, 32],
        patch_size=8, num_detection_tokens=5, use_mid_position_embeddings=False, **_names(),
    )  # fmt: skip
    YolosForObjectDetection(config).save_pretrained(folder)
    values = {"image_processor_type": "YolosImageProcessor", "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder


def segformer(folder: Path) -> Path:
    """A SegFormer that tells three classes apart."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    folder.mkdir(parents=True, exist_ok=True)
    _seed()
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[16, 32], patch_sizes=[3, 3],
        strides=[2, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=16, **_names(),
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    image_processor(folder)
    return folder


def glpn(folder: Path) -> Path:
    """A GLPN that estimates depth."""
    from transformers import GLPNConfig, GLPNForDepthEstimation

    folder.mkdir(parents=True, exist_ok=True)
    _seed()
    config = GLPNConfig(
        hidden_sizes=[8, 16, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=16,
    )
    GLPNForDepthEstimation(config).save_pretrained(folder)
    image_processor(folder, 64)
    return folder


def clip(folder: Path) -> Path:
    """A CLIP that compares pictures with texts."""
    from transformers import CLIPConfig, CLIPModel

    folder.mkdir(parents=True, exist_ok=True)
    size = word_tokenizer(folder)
    _seed()
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**shape, "vocab_size": size, "max_position_embeddings": 64, "eos_token_id": 3},
        vision_config={**shape, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(folder)
    image_processor(folder)
    return folder


def mask2former(folder: Path) -> Path:
    """A Mask2Former that finds single things of three classes."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    folder.mkdir(parents=True, exist_ok=True)
    _seed()
    swin = SwinConfig(
        image_size=32, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2, patch_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=swin, hidden_dim=32, feature_size=32, mask_feature_size=32, encoder_feedforward_dim=16,
        dim_feedforward=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=6, **_names(),
    )  # fmt: skip
    Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    values = {"image_processor_type": "Mask2FormerImageProcessor", "size": {"height": 64, "width": 64}}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder


def maskformer(folder: Path) -> Path:
    """A MaskFormer that finds single things of three classes."""
    from transformers import DetrConfig, MaskFormerConfig, MaskFormerForInstanceSegmentation, SwinConfig

    folder.mkdir(parents=True, exist_ok=True)
    _seed()
    swin = SwinConfig(
        image_size=32, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2, patch_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    decoder = DetrConfig(
        d_model=16,
        decoder_layers=1,
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        num_queries=6,
        dropout=0.0,
    )
    config = MaskFormerConfig(
        backbone_config=swin, decoder_config=decoder, fpn_feature_size=32, mask_feature_size=32, **_names()
    )
    MaskFormerForInstanceSegmentation(config).save_pretrained(folder)
    values = {"image_processor_type": "MaskFormerImageProcessor", "size": {"height": 64, "width": 64}}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder


def detr_masks(folder: Path) -> Path:
    """A DETR with masks; pictures of different sizes are padded to one."""
    from transformers import DetrConfig, DetrForSegmentation, ResNetConfig

    folder.mkdir(parents=True, exist_ok=True)
    _seed()
    backbone = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=64,
        encoder_layers=1, decoder_layers=1, encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=32,
        decoder_ffn_dim=32, num_queries=6, dropout=0.0, **_names(),
    )  # fmt: skip
    DetrForSegmentation(config).save_pretrained(folder)
    values = {"image_processor_type": "DetrImageProcessor", "size": {"shortest_edge": 48, "longest_edge": 80}}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder
