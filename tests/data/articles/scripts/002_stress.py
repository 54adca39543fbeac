import time

import torch
import torch_npu
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = "llama-3-8b"
QUESTION = "How does a chip multiply two matrices?"
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER, torch_dtype=torch.float16, device_map="npu").eval()


def encoded(size):
    return tokenizer([QUESTION] * size, return_tensors="pt", padding=True).to("npu")


def per_token(size, length):
    batch = encoded(size)
    made = (model.generate(**batch, max_new_tokens=length).shape[-1] - batch["input_ids"].shape[-1]) * size
    began = time.time()
    model.generate(**batch, max_new_tokens=length)
    took = time.time() - began
    print(f"{length} tokens, {size} at once: {1e3 * took / made:.2f} ms per token")


def sweep(size, length, rounds=10):
    batch = encoded(size)
    for _ in range(3):
        model.generate(**batch, max_new_tokens=32)
    seconds = tokens = 0
    while rounds:
        rounds -= 1
        began = time.time()
        answers = model.generate(**batch, max_new_tokens=length)
        took = time.time() - began
        seconds += took
        tokens += (answers.shape[-1] - batch["input_ids"].shape[-1]) * size
    print(size, length, seconds / 10, tokens / seconds)


for length in (64, 128, 256):
    for size in (1, 2, 4, 8, 16):
        sweep(size, length)
per_token(4, 128)
