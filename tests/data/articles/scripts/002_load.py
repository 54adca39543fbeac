from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NAME, FOLDER = "meta-llama/Llama-3-8B", Path.home() / "llama-3-8b"

if not FOLDER.is_dir():
    AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)
    AutoModelForCausalLM.from_pretrained(NAME).save_pretrained(FOLDER)
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER, torch_dtype=torch.float16, device_map="auto").eval()
question = tokenizer("Say hello.", return_tensors="pt").to(model.device)
with torch.inference_mode():
    print(tokenizer.batch_decode(model.generate(**question, max_new_tokens=50)))
