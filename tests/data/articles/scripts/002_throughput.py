import time

import torch
import torch_npu
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = "llama-3-8b"
model = AutoModelForCausalLM.from_pretrained(FOLDER, torch_dtype=torch.float16, device_map="npu").eval()
question = AutoTokenizer.from_pretrained(FOLDER)("What is a matrix unit?", return_tensors="pt").to("npu")
before = question["input_ids"].shape[-1]

for _ in range(5):
    model.generate(**question, max_new_tokens=32)
made = 0
began = time.time()
for _ in range(20):
    made += model.generate(**question, max_new_tokens=128).shape[-1] - before
print("tokens per second:", made / (time.time() - began))
