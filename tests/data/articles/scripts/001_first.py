import time

import torch
import torch_npu
from transformers import AutoModelForCausalLM, AutoTokenizer


def load(name):
    return AutoTokenizer.from_pretrained(name), AutoModelForCausalLM.from_pretrained(name, torch_dtype=torch.float16).npu().eval()


tokenizer, model = load("NousResearch/Llama-2-7b-hf")
encoded = tokenizer("Name three rivers of Europe.", return_tensors="pt").to("npu")
began = time.time()
answer = model.generate(**encoded, max_new_tokens=50)
took = time.time() - began
print(tokenizer.batch_decode(answer))
print(f"{50 / took:.1f} tokens/s, {took:.3f} s in all")
