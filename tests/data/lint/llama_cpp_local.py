"""llama-cpp-python: observed counts, the context cleared between calls, a conclusion that depends on the numbers."""
import statistics
import time

from llama_cpp import Llama

PROMPTS = [line.strip() for line in open("prompts.txt")]
llm = Llama(model_path="model.gguf", n_ctx=4096, n_threads=2)


def measure(prompt):
    llm.reset()
    started = time.perf_counter()
    answer = llm(prompt, max_tokens=128, temperature=0)
    return time.perf_counter() - started, answer["usage"]["completion_tokens"], answer["usage"]["prompt_tokens"]


measure(PROMPTS[0])
rows = [measure(prompt) for prompt in PROMPTS[1:]]
seconds = [row[0] for row in rows]
rate = sum(row[1] for row in rows) / sum(seconds)
lengths = sorted(row[1] for row in rows)
print(f"{rate:.2f} tokens/s over {len(rows)} prompts, {lengths[0]} to {lengths[-1]} tokens each")
print(f"latency {statistics.fmean(seconds):.3f} s, standard deviation {statistics.stdev(seconds):.3f} s")
if statistics.stdev(seconds) < 0.02 * statistics.fmean(seconds):
    print(f"steady: {statistics.stdev(seconds):.3f} s")
