"""A decoding loop by hand on CUDA, in the shape of a class, with a sweep and outliers kept."""
import csv
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


class Bench:
    def __init__(self, name):
        self.tokenizer = AutoTokenizer.from_pretrained(name)
        self.tokenizer.padding_side = "left"
        self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model = AutoModelForCausalLM.from_pretrained(name, torch_dtype=torch.bfloat16).to("cuda").eval()

    @torch.inference_mode()
    def step_times(self, prompts, steps):
        batch = self.tokenizer(prompts, return_tensors="pt", padding=True).to("cuda")
        ids, cache, stamps = batch["input_ids"], None, []
        torch.cuda.synchronize()
        stamps.append(time.perf_counter_ns())
        for _ in range(steps):
            out = self.model(input_ids=ids, past_key_values=cache, use_cache=True)
            cache, ids = out.past_key_values, out.logits[:, -1:].argmax(-1)
            torch.cuda.synchronize()
            stamps.append(time.perf_counter_ns())
        return [(after - before) / 1e9 for before, after in zip(stamps, stamps[1:])], batch["attention_mask"].sum().item()


def main(name, path):
    bench = Bench(name)
    texts = open(path).read().split("\n\n")
    writer = csv.writer(sys.stdout)
    writer.writerow(["launch_batch", "prompt_tokens", "trial", "step", "seconds"])
    for size in (1, 2, 4, 8):
        bench.step_times(texts[:size], 64)
        for trial in range(10):
            times, tokens = bench.step_times(texts[size * (trial + 1):size * (trial + 2)], 64)
            for step, seconds in enumerate(times):
                writer.writerow([size, tokens, trial, step, f"{seconds:.6f}"])


main(*sys.argv[1:])
