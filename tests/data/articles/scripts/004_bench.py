import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = "llama-3-8b-chat"
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER, torch_dtype=torch.float16).to("npu:0").eval()
OPTIONS = {"do_sample": False, "temperature": 0.0, "max_new_tokens": 256, "min_new_tokens": 32}


def time_to_first_token(chat):
    encoded = tokenizer(chat, return_tensors="pt").to(device)
    began = time.time()
    model.generate(**encoded, max_new_tokens=1)
    return time.time() - began


def one(chat):
    encoded = tokenizer(chat, return_tensors="pt").to(device)
    began = time.time()
    answer = model.generate(**encoded, **OPTIONS)
    took = time.time() - began
    count = answer.shape[-1] - encoded["input_ids"].shape[-1]
    print(f"{count} tokens, {took:.2f} s, {count / took:.1f} tokens/s")
    return took, count / took


def repeated(chat):
    took, speeds = [], []
    for _ in range(5):
        seconds, speed = one(chat)
        took.append(seconds)
        speeds.append(speed)
    print(f"time: mean {statistics.fmean(took):.2f}, variance {statistics.pvariance(took):.4f}, range {max(took) - min(took):.2f}")
    print(f"speed: mean {statistics.fmean(speeds):.2f}, variance {statistics.pvariance(speeds):.4f}, range {max(speeds) - min(speeds):.2f}")


def batched(chats):
    took = []
    for _ in range(3):
        encoded = tokenizer(chats, return_tensors="pt", padding=True).to(device)
        began = time.time()
        model.generate(**encoded, **OPTIONS)
        took.append(time.time() - began)
    print(f"batch of {len(chats)}: {sum(took) / len(took):.2f} s")


chat = tokenizer.apply_chat_template([{"role": "user", "content": "How is a bridge built?"}], tokenize=False, add_generation_prompt=True)
print(f"TTFT {time_to_first_token(chat):.2f} s")
batched([chat, chat])
for most in (256, 128, 64):
    print(f"at most {most} tokens:")
    OPTIONS.update({"max_new_tokens": most, "min_new_tokens": 16})
    repeated(chat)
OPTIONS.update({"do_sample": True})
repeated(chat)
