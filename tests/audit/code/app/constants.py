"""Constants that other modules import."""
from enum import Enum

ORGANIZATION = "acme-ai"
EMBEDDER = "BAAI/bge-small-en-v1.5"
CHAT_MODEL = f"{ORGANIZATION}/chat-7b"
MODELS = {
    "small": "Qwen/Qwen2.5-0.5B-Instruct",
    "large": "Qwen/Qwen2.5-7B-Instruct",
}


class Checkpoint(Enum):
    DETECTOR = "facebook/detr-resnet-50"
    CAPTION = "Salesforce/blip-image-captioning-base"


class Settings:
    reranker = "BAAI/bge-reranker-base"
    device = "cuda"
