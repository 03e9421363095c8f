"""The model stands in the call."""
import clip
import faster_whisper
import keras_hub
import ollama
import open_clip
import spacy
import timm
import torch
import whisper
from diffusers import AutoencoderKL, StableDiffusionPipeline
from faster_whisper import WhisperModel
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from modelscope import snapshot_download as ms_download
from modelscope.pipelines import pipeline as ms_pipeline
from peft import AutoPeftModelForCausalLM, PeftConfig, PeftModel
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import AutoModelForCausalLM, AutoTokenizer, BertModel, pipeline
from transformers import pipeline as make_pipeline
from vllm import LLM

tokenizer = AutoTokenizer.from_pretrained("meta-llama/Llama-3.2-1B")  # -> meta-llama/Llama-3.2-1B
model = AutoModelForCausalLM.from_pretrained(  # -> meta-llama/Llama-3.2-1B
    "meta-llama/Llama-3.2-1B",
    torch_dtype=torch.bfloat16,
    revision="main",
)
bert = BertModel.from_pretrained("bert-base-uncased")  # -> google-bert/bert-base-uncased
pinned = BertModel.from_pretrained(pretrained_model_name_or_path="google-bert/bert-base-cased", revision="cd5ef92")  # -> google-bert/bert-base-cased
ner = pipeline("ner", model="dslim/bert-base-NER")  # -> dslim/bert-base-NER
asr = make_pipeline("automatic-speech-recognition", "openai/whisper-small")  # -> openai/whisper-small
sentiment = pipeline("sentiment-analysis")  # -> ?
sentences = SentenceTransformer("all-MiniLM-L6-v2")  # -> sentence-transformers/all-MiniLM-L6-v2
sentences2 = SentenceTransformer("intfloat/multilingual-e5-large")  # -> intfloat/multilingual-e5-large
ranker = CrossEncoder("cross-encoder/ms-marco-MiniLM-L-6-v2")  # -> cross-encoder/ms-marco-MiniLM-L-6-v2
resnet = timm.create_model("resnet50.a1_in1k", pretrained=True)  # -> timm/resnet50.a1_in1k
vit = timm.create_model("vit_base_patch16_224", pretrained=True, num_classes=10)  # -> timm/vit_base_patch16_224.augreg2_in21k_ft_in1k
hubvit = timm.create_model("hf_hub:bioptimus/H-optimus-0", pretrained=True)  # -> bioptimus/H-optimus-0
path = hf_hub_download(repo_id="lllyasviel/Annotators", filename="body_pose_model.pth")  # -> lllyasviel/Annotators
folder = snapshot_download("stabilityai/stable-video-diffusion-img2vid")  # -> stabilityai/stable-video-diffusion-img2vid
other = HfApi().hf_hub_download("briaai/RMBG-1.4", "model.pth")  # -> briaai/RMBG-1.4
midas = torch.hub.load("intel-isl/MiDaS", "DPT_Large")  # -> github:intel-isl/MiDaS
speech = whisper.load_model("medium.en")  # -> openai/whisper-medium.en
turbo = whisper.load_model(name="turbo")  # -> openai/whisper-large-v3-turbo
fast = WhisperModel("large-v3", device="cuda")  # -> Systran/faster-whisper-large-v3
fast2 = faster_whisper.WhisperModel("distil-large-v3")  # -> Systran/faster-distil-whisper-large-v3
nlp = spacy.load("en_core_web_sm")  # -> spacy/en_core_web_sm
spacy.cli.download("de_core_news_lg")  # -> spacy/de_core_news_lg
llm = LLM(model="mistralai/Mistral-7B-Instruct-v0.3", tensor_parallel_size=2)  # -> mistralai/Mistral-7B-Instruct-v0.3
llm2 = LLM("tiiuae/falcon-7b")  # -> tiiuae/falcon-7b
sd = StableDiffusionPipeline.from_pretrained("stable-diffusion-v1-5/stable-diffusion-v1-5")  # -> stable-diffusion-v1-5/stable-diffusion-v1-5
vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse")  # -> stabilityai/sd-vae-ft-mse
sd.load_lora_weights("latent-consistency/lcm-lora-sdv1-5")  # -> latent-consistency/lcm-lora-sdv1-5
seg = ms_pipeline("word-segmentation", model="damo/nlp_structbert_word-segmentation_chinese-base")  # -> modelscope:damo/nlp_structbert_word-segmentation_chinese-base
weights = ms_download("qwen/Qwen-7B-Chat")  # -> modelscope:qwen/Qwen-7B-Chat
answer = ollama.chat(model="llama3.2", messages=[])  # -> meta-llama/Llama-3.2-3B-Instruct
client = ollama.Client()
client.generate("qwen2.5:7b", "hello")  # -> Qwen/Qwen2.5-7B-Instruct
ollama.pull("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M")  # -> bartowski/Llama-3.2-1B-Instruct-GGUF
odd = ollama.generate(model="somebodys-own-model", prompt="x")  # -> ?
lora = PeftModel.from_pretrained(model, "tloen/alpaca-lora-7b")  # -> tloen/alpaca-lora-7b
auto_lora = AutoPeftModelForCausalLM.from_pretrained("ybelkada/opt-350m-lora")  # -> ybelkada/opt-350m-lora
conf = PeftConfig.from_pretrained("smangrul/twitter_complaints_bigscience_T0_3B_LORA_CAUSAL_LM")  # -> smangrul/twitter_complaints_bigscience_T0_3B_LORA_CAUSAL_LM
oc, _, prep = open_clip.create_model_and_transforms("ViT-B-32", pretrained="laion2b_s34b_b79k")  # -> laion/CLIP-ViT-B-32-laion2B-s34B-b79K
oc2 = open_clip.create_model("hf-hub:laion/CLIP-ViT-g-14-laion2B-s12B-b42K")  # -> laion/CLIP-ViT-g-14-laion2B-s12B-b42K
openai_clip, preprocess = clip.load("ViT-B/32", device="cpu")  # -> openai/clip-vit-base-patch32
gemma = keras_hub.models.GemmaCausalLM.from_preset("gemma_2b_en")  # -> keras/gemma_2b_en
keras_hf = keras_hub.models.BertClassifier.from_preset("hf://google-bert/bert-base-uncased")  # -> google-bert/bert-base-uncased
torch.hub.load_state_dict_from_url("https://huggingface.co/lllyasviel/ControlNet/resolve/main/annotator.pth")  # -> lllyasviel/ControlNet
