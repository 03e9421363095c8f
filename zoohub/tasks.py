"""The task vocabulary: the Hugging Face `pipeline_tag` ids with names, aliases and metrics in two languages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from zoohub.errors import UnknownTask, suggest

MODALITIES = ("vision", "speech", "text", "multimodal", "other")


@dataclass(frozen=True, slots=True)
class Task:
    """One task: what goes in, what comes out, and the metric its field reports first."""

    id: str
    modality: str
    name: str
    name_zh: str
    input: str
    output: str
    metric: str
    aliases: tuple[str, ...] = ()


def _task(
    id: str, modality: str, name: str, name_zh: str, io: str, metric: str = "", aliases: str = ""
) -> Task:
    given, result = io.split(" -> ")
    words = tuple(word.strip() for word in aliases.split(",") if word.strip())
    return Task(id, modality, name, name_zh, given, result, metric, words)


TASKS: tuple[Task, ...] = (
    # vision
    _task("image-classification", "vision", "Image classification", "图像分类", "image -> labels", "accuracy",
          "image recognition, classify images, 图片分类, 图像识别, 图片识别"),
    _task("object-detection", "vision", "Object detection", "目标检测", "image -> boxes", "mAP",
          "detection, face detection, 物体检测, 对象检测, 人脸检测, 检测"),
    _task("image-segmentation", "vision", "Image segmentation", "图像分割", "image -> masks", "mIoU",
          "segmentation, semantic segmentation, instance segmentation, 语义分割, 实例分割, 分割"),
    _task("mask-generation", "vision", "Mask generation", "掩码生成", "image + points -> masks", "mIoU",
          "segment anything, sam"),
    _task("image-feature-extraction", "vision", "Image features", "图像特征提取", "image -> vector", "recall@1",
          "image embedding, image embeddings, image search, face recognition, face verification, "
          "图像嵌入, 图像检索, 以图搜图, 人脸识别, 人脸验证"),
    _task("depth-estimation", "vision", "Depth estimation", "深度估计", "image -> depth map", "AbsRel", "depth"),
    _task("keypoint-detection", "vision", "Keypoint detection", "关键点检测", "image -> points", "AP",
          "pose estimation, 姿态估计"),
    _task("zero-shot-image-classification", "vision", "Zero-shot image classification", "零样本图像分类",
          "image + labels -> scores", "accuracy", "clip, zero shot image"),
    _task("image-to-image", "vision", "Image to image", "图像到图像", "image -> image", "PSNR",
          "super resolution, image editing, 图像编辑, 超分辨率"),
    _task("unconditional-image-generation", "vision", "Unconditional image generation", "无条件图像生成",
          "noise -> image", "FID"),
    _task("video-classification", "vision", "Video classification", "视频分类", "video -> labels", "accuracy"),
    _task("image-to-3d", "vision", "Image to 3D", "图像到三维", "image -> mesh"),
    # speech and sound
    _task("automatic-speech-recognition", "speech", "Speech recognition", "语音识别", "audio -> text", "WER",
          "asr, speech to text, stt, speech recognition, transcription, 语音转文字, 语音转写, 自动语音识别"),
    _task("text-to-speech", "speech", "Speech synthesis", "语音合成", "text -> audio", "MOS",
          "tts, speech synthesis, 文字转语音"),
    _task("audio-classification", "speech", "Audio classification", "音频分类", "audio -> labels", "accuracy",
          "sound classification, keyword spotting, 声音分类, 语音分类"),
    _task("voice-activity-detection", "speech", "Voice activity detection", "语音活动检测", "audio -> spans", "F1",
          "vad, 语音端点检测"),
    _task("speaker-verification", "speech", "Speaker verification", "声纹识别", "audio -> vector", "EER",
          "speaker embedding, speaker recognition, 说话人识别, 说话人确认"),
    _task("audio-to-audio", "speech", "Audio to audio", "音频到音频", "audio -> audio", "SI-SDR",
          "speech enhancement, source separation, 语音增强, 降噪"),
    _task("text-to-audio", "speech", "Text to audio", "文本到音频", "text -> audio", "FAD",
          "music generation, 音乐生成"),
    # text
    _task("text-classification", "text", "Text classification", "文本分类", "text -> labels", "accuracy",
          "sentiment, sentiment analysis, topic classification, nli, 情感分析, 情感分类, 情绪分析"),
    _task("token-classification", "text", "Token classification", "词元分类", "text -> spans", "F1",
          "ner, named entity recognition, pos tagging, 命名实体识别, 实体识别, 词性标注, 分词, 序列标注"),
    _task("question-answering", "text", "Question answering", "问答", "question + context -> span", "F1",
          "qa, extractive qa, reading comprehension, 问答系统, 阅读理解, 机器阅读理解"),
    _task("table-question-answering", "text", "Table question answering", "表格问答",
          "question + table -> answer", "accuracy"),
    _task("translation", "text", "Translation", "翻译", "text -> text", "BLEU",
          "machine translation, mt, 机器翻译, 文本翻译"),
    _task("summarization", "text", "Summarization", "摘要", "text -> text", "ROUGE-L",
          "summary, 文本摘要, 自动摘要"),
    _task("text-generation", "text", "Text generation", "文本生成", "text -> text", "perplexity",
          "llm, chat, causal lm, language model, conversational, text2text-generation, 大模型, 大语言模型, 对话, 聊天"),
    _task("fill-mask", "text", "Fill mask", "完形填空", "text with a gap -> words", "perplexity",
          "masked lm, mlm, 掩码填充"),
    _task("feature-extraction", "text", "Text features", "文本特征提取", "text -> vector", "Spearman",
          "text embedding, text embeddings, embedding, embeddings, 文本嵌入, 文本向量, 向量化"),
    _task("sentence-similarity", "text", "Sentence similarity", "句子相似度", "texts -> similarity", "Spearman",
          "semantic search, similarity, semantic similarity, 语义相似度, 文本相似度, 语义搜索"),
    _task("text-ranking", "text", "Text ranking", "文本排序", "query + texts -> order", "nDCG@10",
          "rerank, reranker, reranking, recommendation, 重排, 重排序, 排序, 推荐"),
    _task("zero-shot-classification", "text", "Zero-shot classification", "零样本分类",
          "text + labels -> scores", "accuracy", "zero shot"),
    # several modalities at once
    _task("image-to-text", "multimodal", "Image to text", "图像到文本", "image -> text", "CIDEr",
          "image captioning, captioning, ocr, 图像描述, 看图说话, 文字识别"),
    _task("image-text-to-text", "multimodal", "Image and text to text", "图文到文本", "image + text -> text", "accuracy",
          "vlm, vision language, multimodal llm, 多模态, 多模态大模型, 视觉语言模型"),
    _task("visual-question-answering", "multimodal", "Visual question answering", "视觉问答",
          "image + question -> answer", "VQA accuracy", "vqa"),
    _task("document-question-answering", "multimodal", "Document question answering", "文档问答",
          "page + question -> answer", "ANLS", "docvqa, 文档理解"),
    _task("visual-document-retrieval", "multimodal", "Visual document retrieval", "视觉文档检索",
          "query + pages -> order", "nDCG@5"),
    _task("zero-shot-object-detection", "multimodal", "Zero-shot object detection", "零样本目标检测",
          "image + labels -> boxes", "mAP", "open vocabulary detection, 开放词汇检测"),
    _task("text-to-image", "multimodal", "Text to image", "文生图", "text -> image", "FID",
          "image generation, 图像生成, 文本生成图像"),
    _task("text-to-video", "multimodal", "Text to video", "文生视频", "text -> video", "FVD", "视频生成"),
    _task("image-to-video", "multimodal", "Image to video", "图生视频", "image -> video", "FVD"),
    _task("image-text-to-image", "multimodal", "Image and text to image", "图文到图像", "image + text -> image"),
    _task("image-text-to-video", "multimodal", "Image and text to video", "图文到视频", "image + text -> video"),
    _task("video-text-to-text", "multimodal", "Video and text to text", "视频文本到文本", "video + text -> text", "accuracy",
          "video understanding, 视频理解"),
    _task("audio-text-to-text", "multimodal", "Audio and text to text", "音频文本到文本", "audio + text -> text", "accuracy",
          "audio llm, 语音大模型"),
    _task("any-to-any", "multimodal", "Any to any", "任意到任意", "anything -> anything", "", "omni, 全模态"),
    _task("text-to-3d", "multimodal", "Text to 3D", "文生三维", "text -> mesh"),
    _task("video-to-video", "vision", "Video to video", "视频到视频", "video -> video"),
    # the rest of the hub
    _task("tabular-classification", "other", "Tabular classification", "表格分类", "row -> label", "accuracy"),
    _task("tabular-regression", "other", "Tabular regression", "表格回归", "row -> number", "RMSE"),
    _task("time-series-forecasting", "other", "Time series forecasting", "时间序列预测", "series -> series", "MASE",
          "forecasting, 时序预测"),
    _task("reinforcement-learning", "other", "Reinforcement learning", "强化学习", "state -> action", "return"),
    _task("robotics", "other", "Robotics", "机器人", "state -> action", "success rate", "机器人控制"),
    _task("graph-ml", "other", "Graph machine learning", "图机器学习", "graph -> labels", "accuracy"),
)  # fmt: skip

_BY_ID = {task.id: task for task in TASKS}


@cache
def _spellings() -> dict[str, str]:
    """Every accepted spelling, folded, to its task id."""
    table: dict[str, str] = {}
    for task in TASKS:
        for word in (task.id, task.name, task.name_zh, *task.aliases):
            table.setdefault(_fold(word), task.id)
    return table


def _fold(word: str) -> str:
    return " ".join(word.casefold().replace("-", " ").replace("_", " ").split())


def get(id: str) -> Task | None:
    """The task of exactly that id, or None."""
    return _BY_ID.get(id)


def resolve(word: str) -> Task:
    """The task that `word` names: an id, a name or an alias, in English or Chinese.

    Raises:
        UnknownTask: no task is called that; the near ones are in the message.
    """
    found = match(word)
    if found is None:
        near = suggest(_fold(word), _spellings(), limit=5)
        raise UnknownTask(word, list(dict.fromkeys(_spellings()[spelling] for spelling in near))[:3])
    return found


def match(word: str) -> Task | None:
    """As `resolve`, but None for a word that names no task: for free text that may hold a task name."""
    return _BY_ID.get(_spellings().get(_fold(word), ""))


def modality(task_id: str | None) -> str | None:
    """The modality of a task id; None where the task is not in the vocabulary."""
    task = _BY_ID.get(task_id or "")
    return task.modality if task else None
