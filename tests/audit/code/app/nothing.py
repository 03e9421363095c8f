"""Nothing here loads a model from elsewhere: every finding in this file is a false alarm."""
import importlib
import json
import os
import tempfile
from pathlib import Path

import joblib
import spacy
import timm
import torch
from datasets import load_dataset
from huggingface_hub import hf_hub_download, snapshot_download
from transformers import AutoConfig, AutoModel, AutoTokenizer, Trainer
from transformers.utils import logging

HERE = Path(__file__).parent
data = load_dataset("stanfordnlp/imdb", split="train")
annotations = hf_hub_download("nyu-mll/glue", "data.json", repo_type="dataset")
demo = snapshot_download(repo_id="gradio/hello_world", repo_type="space")
local = AutoModel.from_pretrained("./checkpoints/best")
local2 = AutoModel.from_pretrained("output/checkpoint-500")
local3 = AutoModel.from_pretrained(os.path.join("models", "bert"))
local4 = AutoModel.from_pretrained(HERE / "weights")
local5 = AutoModel.from_pretrained("/opt/models/bert")
local6 = AutoModel.from_pretrained(Path("a") / "b")
local7 = AutoTokenizer.from_pretrained("~/models/bert")
local8 = AutoTokenizer.from_pretrained(tempfile.mkdtemp())
local9 = AutoTokenizer.from_pretrained("C:\\models\\bert")
bare = timm.create_model("resnet18", num_classes=10)
untrained = timm.create_model("resnet18", pretrained=False)
state = torch.load("weights/model.pt")
nlp = spacy.blank("en")
module = importlib.import_module("app.models")
scores = json.load(open("models/scores.json"))
forest = joblib.load("models/forest.joblib")
logger = logging.get_logger("transformers/models")
media = {"content": "text/plain", "also": "application/json", "ratio": "and/or"}
model_type = "bert/encoder"


def pipeline(name, steps):
    return name, steps


pipeline("training/steps", ["org/one", "org/two"])


def load_model(path):
    return joblib.load(path)


load_model("small")


class Registry:
    def load(self, name):
        return name


Registry().load("org/name")


def documented():
    """Loads a model.

    >>> model = AutoModel.from_pretrained("google-bert/bert-base-uncased")
    """


# AutoModel.from_pretrained("commented/out")
print("see https://huggingface.co/docs/transformers and https://huggingface.co/google-bert/bert-base-uncased")
