"""vLLM offline: forced lengths, a warm-up of the same shape, prompts drawn anew, ratio of sums."""
import argparse
import random
import time
from statistics import mean, stdev

from vllm import LLM, SamplingParams

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--input-len", type=int, default=512)
parser.add_argument("--output-len", type=int, default=256)
parser.add_argument("--runs", type=int, default=10)
args = parser.parse_args()

chooser = random.Random(0)
llm = LLM(model=args.model, enable_prefix_caching=False)
params = SamplingParams(max_tokens=args.output_len, temperature=0, ignore_eos=True)


def draw():
    return [{"prompt_token_ids": [chooser.randrange(100, 30000) for _ in range(args.input_len)]} for _ in range(args.batch_size)]


llm.generate(draw(), params, use_tqdm=False)
seconds, tokens = [], 0
for _ in range(args.runs):
    prompts = draw()
    started = time.perf_counter()
    outputs = llm.generate(prompts, params, use_tqdm=False)
    seconds.append(time.perf_counter() - started)
    tokens += sum(len(output.outputs[0].token_ids) for output in outputs)

print(f"batch {args.batch_size}, {args.input_len} -> {args.output_len}: {tokens / sum(seconds):.1f} tokens/s, "
      f"latency {mean(seconds):.3f} ± {stdev(seconds):.3f} s")
