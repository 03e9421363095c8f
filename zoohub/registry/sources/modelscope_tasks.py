"""ModelScope's words for tasks, in the words of this project; what has no counterpart is not listed."""

from __future__ import annotations

_WORDS = {
    "image-classification": "image-classification image-multilabel-classification general-recognition "
        "animal-recognition daily-image-classification nsfw-content-moderation image-quality-assessment-mos "
        "face-liveness facial-expression-recognition image-color-classification",
    "object-detection": "image-object-detection face-detection human-detection card-detection "
        "domain-specific-object-detection face-human-hand-detection "
        "image-face-detection open-vocabulary-detection",
    "image-segmentation": "image-segmentation semantic-segmentation panoptic-segmentation portrait-matting "
        "universal-matting image-instance-segmentation image-human-parsing shop-segmentation "
        "text-driven-segmentation",
    "image-feature-extraction": "face-recognition image-reid-person product-retrieval-embedding",
    "depth-estimation": "image-depth-estimation",
    "keypoint-detection": "body-2d-keypoints body-3d-keypoints hand-2d-keypoints face-2d-keypoints "
        "human-wholebody-keypoint facial-landmark-confidence card-detection-correction",
    "image-to-image": "image-super-resolution image-denoising image-colorization image-color-enhancement "
        "image-portrait-enhancement image-style-transfer image-inpainting image-deblurring skin-retouching "
        "image-to-image-translation image-to-image-generation image-portrait-stylization image-fact-cartoon "
        "image-skychange colorization image-debanding image-restoration",
    "video-classification": "action-recognition video-category live-category",
    "image-to-text": "ocr-detection ocr-recognition image-captioning video-captioning table-recognition "
        "license-plate-detection",
    "automatic-speech-recognition": "auto-speech-recognition",
    "text-to-speech": "text-to-speech",
    "audio-classification": "keyword-spotting emotion-recognition speech-language-recognition",
    "voice-activity-detection": "voice-activity-detection",
    "speaker-verification": "speaker-verification speaker-diarization",
    "audio-to-audio": "acoustic-echo-cancellation acoustic-noise-suppression speech-separation "
        "audio-source-separation speech-super-resolution",
    "text-classification": "text-classification sentiment-classification nli sentence-classification "
        "text-error-classification domain-classification",
    "token-classification": "word-segmentation part-of-speech named-entity-recognition token-classification "
        "punctuation relation-extraction information-extraction",
    "translation": "translation competency-aware-translation",
    "summarization": "text-summarization extractive-summarization",
    "text-generation": "text-generation text2text-generation chat task-oriented-conversation code-generation "
        "text-error-correction code-translation",
    "fill-mask": "fill-mask",
    "feature-extraction": "sentence-embedding feature-extraction",
    "sentence-similarity": "sentence-similarity text-pair-classification",
    "text-ranking": "text-ranking",
    "zero-shot-classification": "zero-shot-classification",
    "question-answering": "machine-reading-comprehension document-segmentation-qa extractive-qa",
    "table-question-answering": "table-question-answering conversational-text-to-sql",
    "visual-question-answering": "visual-question-answering",
    "text-to-image": "text-to-image-synthesis",
    "text-to-video": "text-to-video-synthesis",
    "image-to-video": "image-to-video",
    "zero-shot-image-classification": "multi-modal-embedding generative-multi-modal-embedding "
        "multi-modal-similarity",
}  # fmt: skip
TASKS = {word: task for task, words in _WORDS.items() for word in words.split()}
