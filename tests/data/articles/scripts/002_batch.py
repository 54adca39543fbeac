import time

import torch
import torch_npu
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = "llama-3-8b"
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER, torch_dtype=torch.float16, device_map="npu").eval()


def measured(batch):
    for _ in range(3):
        model.generate(**batch, max_new_tokens=32)
    began = time.time()
    answers = model.generate(**batch, max_new_tokens=128)
    took = time.time() - began
    return took, (answers.shape[-1] - batch["input_ids"].shape[-1]) * answers.shape[0] / took


print("128 tokens each")
for size in (1, 2, 4, 8, 16):
    took, speed = measured(tokenizer(["A river runs to the sea. " * 12] * size, return_tensors="pt", padding=True).to("npu"))
    print(size, f"{took:.3f} s", f"{speed:.1f} tokens/s")
