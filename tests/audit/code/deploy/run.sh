#!/bin/bash
set -e
export MODEL=deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B  # -> deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B
huggingface-cli download microsoft/phi-2 --local-dir ./phi  # -> microsoft/phi-2
hf download --repo-type dataset stanfordnlp/sst2
ollama pull mistral  # -> mistralai/Mistral-7B-Instruct-v0.3
python -m spacy download fr_core_news_md  # -> spacy/fr_core_news_md
vllm serve $MODEL --port 8000  # -> deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B
accelerate launch train.py --model_name_or_path=EleutherAI/gpt-neo-125m --output_dir out/x  # -> EleutherAI/gpt-neo-125m
git clone https://huggingface.co/THUDM/chatglm3-6b  # -> THUDM/chatglm3-6b
wget https://huggingface.co/TheBloke/Llama-2-7B-GGUF/resolve/main/llama-2-7b.Q4_K_M.gguf  # -> TheBloke/Llama-2-7B-GGUF
whisper audio.mp3 --model large-v2  # -> openai/whisper-large-v2
python train.py --base-model "$1"  # -> ?
python -c "from transformers import AutoModel; AutoModel.from_pretrained('prajjwal1/bert-tiny')"  # -> prajjwal1/bert-tiny
docker pull pytorch/pytorch
git clone https://github.com/huggingface/transformers
cp models/a models/b
modelscope download --model ZhipuAI/glm-4-9b-chat  # -> modelscope:ZhipuAI/glm-4-9b-chat
python - <<'EOF'
from sentence_transformers import SentenceTransformer
SentenceTransformer("thenlper/gte-small")  # -> thenlper/gte-small
EOF
