"""HF generate on an NPU: exact lengths, one call gives every time, different prompts, spread."""
import platform
import statistics
import time

import torch
import torch_npu
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.generation.streamers import BaseStreamer

DEVICE, NEW_TOKENS, WARMUP, RUNS = "npu:0", 128, 3, 10
torch.manual_seed(0)
tokenizer = AutoTokenizer.from_pretrained("model", padding_side="left")
model = AutoModelForCausalLM.from_pretrained("model", torch_dtype=torch.float16).to(DEVICE).eval()


class Stamps(BaseStreamer):
    def __init__(self):
        self.times = []

    def put(self, value):
        torch.npu.synchronize()
        self.times.append(time.perf_counter())

    def end(self):
        pass


def make_inputs(batch_size, length):
    ids = torch.randint(100, len(tokenizer), (batch_size, length), device=DEVICE)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def once(batch_size, length):
    inputs = make_inputs(batch_size, length)
    stamps = Stamps()
    torch.npu.synchronize()
    start = time.perf_counter()
    with torch.no_grad():
        out = model.generate(**inputs, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False,
                             streamer=stamps if batch_size == 1 else None)
    torch.npu.synchronize()
    total = time.perf_counter() - start
    generated = out.shape[-1] - inputs["input_ids"].shape[-1]
    assert generated == NEW_TOKENS
    ttft = stamps.times[1] - start if batch_size == 1 else None
    return total, ttft, generated * batch_size, inputs["input_ids"].shape[-1]


def main():
    print(f"Python {platform.python_version()}, torch {torch.__version__}, torch_npu {torch_npu.__version__}, "
          f"transformers {transformers.__version__}")
    for batch_size in (1, 4, 8):
        for _ in range(WARMUP):
            once(batch_size, 512)
        torch.npu.reset_peak_memory_stats()
        results = [once(batch_size, 512) for _ in range(RUNS)]
        seconds = [total for total, _, _, _ in results]
        tokens = sum(count for _, _, count, _ in results)
        peak_gb = torch.npu.max_memory_allocated() / 1e9
        print(f"batch {batch_size}, {results[0][3]} -> {NEW_TOKENS} tokens: {tokens / sum(seconds):.1f} tokens/s, "
              f"{statistics.mean(seconds):.3f} s ± {statistics.stdev(seconds):.3f} (n = {len(seconds)}), {peak_gb:.2f} GB, "
              f"{torch.npu.max_memory_allocated() / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
