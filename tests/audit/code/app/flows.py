"""The model comes through variables, defaults, tables, other modules."""
import argparse
import os
from dataclasses import dataclass, field
from functools import partial

import click
import typer
from transformers import AutoModel, AutoProcessor, AutoTokenizer, HfArgumentParser, pipeline
from sentence_transformers import SentenceTransformer

from . import constants
from .constants import CHAT_MODEL, MODELS, Checkpoint, Settings
from .constants import EMBEDDER as EMB

BASE = "microsoft/deberta-v3-base"
SIZE = "large"
a = AutoModel.from_pretrained(BASE)  # -> microsoft/deberta-v3-base
b = AutoModel.from_pretrained(f"microsoft/deberta-v3-{SIZE}")  # -> microsoft/deberta-v3-large
c = SentenceTransformer(EMB)  # -> BAAI/bge-small-en-v1.5
d = AutoModel.from_pretrained(constants.CHAT_MODEL)  # -> acme-ai/chat-7b
e = AutoModel.from_pretrained(CHAT_MODEL + "-v2")  # -> acme-ai/chat-7b-v2
f = AutoModel.from_pretrained(MODELS["small"])  # -> Qwen/Qwen2.5-0.5B-Instruct
g = AutoProcessor.from_pretrained(Checkpoint.CAPTION.value)  # -> Salesforce/blip-image-captioning-base
h = AutoModel.from_pretrained(Settings.reranker)  # -> BAAI/bge-reranker-base
i = AutoModel.from_pretrained("%s/%s" % ("google", "flan-t5-small"))  # -> google/flan-t5-small
j = AutoModel.from_pretrained("{}/{name}".format("google", name="flan-t5-base"))  # -> google/flan-t5-base
k = AutoModel.from_pretrained("/".join(["google", "flan-t5-large"]))  # -> google/flan-t5-large
m = AutoModel.from_pretrained(os.environ.get("MODEL", "google/electra-small-discriminator"))  # -> google/electra-small-discriminator
n = AutoModel.from_pretrained(os.getenv("MODEL") or "google/electra-base-discriminator")  # -> google/electra-base-discriminator
o = AutoModel.from_pretrained(os.environ["MODEL"])  # -> ?
name = "albert/albert-base-v1"
p = AutoModel.from_pretrained(name)  # -> albert/albert-base-v1
name = "albert/albert-base-v2"
q = AutoModel.from_pretrained(name)  # -> albert/albert-base-v2


def load(model_name="facebook/bart-base", device="cpu"):
    return AutoModel.from_pretrained(model_name)  # -> facebook/bart-base


def load_required(model_name):
    return AutoModel.from_pretrained(model_name)  # -> facebook/bart-large, facebook/mbart-large-50


load_required("facebook/bart-large")
load_required(model_name="facebook/mbart-large-50")


def never_called(model_name):
    return AutoModel.from_pretrained(model_name)  # -> ?


def chosen(fast: bool):
    name = "distilbert/distilroberta-base" if fast else "FacebookAI/roberta-large"
    return AutoModel.from_pretrained(name)  # -> distilbert/distilroberta-base, FacebookAI/roberta-large


def branched(fast: bool):
    if fast:
        checkpoint = "nreimers/MiniLM-L6-H384-uncased"
    else:
        checkpoint = "microsoft/mpnet-base"
    return AutoModel.from_pretrained(checkpoint)  # -> nreimers/MiniLM-L6-H384-uncased, microsoft/mpnet-base


def name_of_model():
    return "YituTech/conv-bert-base"


r = AutoModel.from_pretrained(name_of_model())  # -> YituTech/conv-bert-base


@dataclass
class ModelArguments:
    model_name_or_path: str = "EleutherAI/pythia-70m"
    tokenizer_name: str = field(default="EleutherAI/gpt-neox-20b", metadata={"help": "tokenizer"})


def train(config: ModelArguments):
    AutoModel.from_pretrained(config.model_name_or_path)  # -> EleutherAI/pythia-70m
    AutoTokenizer.from_pretrained(config.tokenizer_name)  # -> EleutherAI/gpt-neox-20b


def train_from_command_line():
    parser = HfArgumentParser((ModelArguments,))
    (model_args,) = parser.parse_args_into_dataclasses()
    return AutoModel.from_pretrained(model_args.model_name_or_path)  # -> EleutherAI/pythia-70m


def from_argparse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-model", type=str, default="bigscience/bloom-560m")
    parser.add_argument("--data")
    args = parser.parse_args()
    return AutoModel.from_pretrained(args.base_model)  # -> bigscience/bloom-560m


@click.command()
@click.option("--checkpoint", default="google/vit-base-patch16-224-in21k")
def from_click(checkpoint):
    AutoModel.from_pretrained(checkpoint)  # -> google/vit-base-patch16-224-in21k


def from_typer(repo: str = typer.Option("facebook/dinov2-small", help="which")):
    AutoModel.from_pretrained(repo)  # -> facebook/dinov2-small


class Worker:
    default = "facebook/wav2vec2-base"

    def __init__(self, model_id="openai/clip-vit-base-patch16"):
        self.model_id = model_id
        self.other = "microsoft/speecht5_tts"

    def start(self):
        self.clip = AutoModel.from_pretrained(self.model_id)  # -> openai/clip-vit-base-patch16
        self.tts = AutoModel.from_pretrained(self.other)  # -> microsoft/speecht5_tts
        self.asr = AutoModel.from_pretrained(self.default)  # -> facebook/wav2vec2-base


for size in ["tiny", "base"]:
    AutoModel.from_pretrained(f"microsoft/swin-{size}-patch4-window7-224")  # -> microsoft/swin-tiny-patch4-window7-224, microsoft/swin-base-patch4-window7-224

for repository in MODELS.values():
    AutoModel.from_pretrained(repository)  # -> Qwen/Qwen2.5-0.5B-Instruct, Qwen/Qwen2.5-7B-Instruct

loader = partial(AutoModel.from_pretrained, "uw-madison/yoso-4096")  # -> uw-madison/yoso-4096
make = AutoModel.from_pretrained
s = make("junnyu/roformer_chinese_base")  # -> junnyu/roformer_chinese_base
settings = {"task": "fill-mask", "model": "allenai/longformer-base-4096"}
t = pipeline(**settings)  # -> allenai/longformer-base-4096
u = AutoModel.from_pretrained(f"{os.environ['ORG']}/model-x")  # -> ?
v = AutoModel.from_pretrained(input("which? "))  # -> ?
if (w := "google/canine-s"):
    AutoModel.from_pretrained(w)  # -> google/canine-s
