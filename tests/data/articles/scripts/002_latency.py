import time

import torch
import torch_npu
from transformers import AutoModelForCausalLM, AutoTokenizer


def answer(model, question):
    for _ in range(5):
        model.generate(**question, max_new_tokens=16)
    began = time.time()
    made = model.generate(**question, max_new_tokens=64)
    ended = time.time()
    count = made.shape[-1] - question["input_ids"].shape[-1]
    print(f"whole answer {1e3 * (ended - began):.1f} ms, per token {1e3 * (ended - began) / count:.2f} ms")


answer(AutoModelForCausalLM.from_pretrained("llama-3-8b", torch_dtype=torch.float16).to("npu"),
       AutoTokenizer.from_pretrained("llama-3-8b")("What does a compiler do?", return_tensors="pt").to("npu"))
