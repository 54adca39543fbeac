"""A streaming client: usage asked for, first token told from first event, a prompt of its own for every request."""
import asyncio
import json
import random
import time

import numpy as np
from openai import AsyncOpenAI

client = AsyncOpenAI(base_url="http://127.0.0.1:8000/v1", api_key="EMPTY")
chooser = random.Random(0)
WORDS = [line.strip() for line in open("words.txt")]


async def ask(number):
    prompt = f"{number} " + " ".join(chooser.choices(WORDS, k=400))
    first, usage = None, None
    started = time.perf_counter()
    stream = await client.chat.completions.create(
        model="default", messages=[{"role": "user", "content": prompt}], max_tokens=256, temperature=0, stream=True,
        stream_options={"include_usage": True}, extra_body={"ignore_eos": True})
    async for chunk in stream:
        if chunk.usage is not None:
            usage = chunk.usage
        elif chunk.choices and chunk.choices[0].delta.content and first is None:
            first = time.perf_counter()
    ended = time.perf_counter()
    if first is None or usage is None:
        raise RuntimeError("no token or no usage")
    count = usage.completion_tokens
    return {"ttft": first - started, "tpot": (ended - first) / (count - 1), "e2e": ended - started, "input_tokens": usage.prompt_tokens,
            "output_tokens": count}


async def main():
    gate = asyncio.Semaphore(16)

    async def one(number):
        async with gate:
            return await ask(number)

    started = time.perf_counter()
    rows = await asyncio.gather(*(one(number) for number in range(320)))
    wall = time.perf_counter() - started
    for name in ("ttft", "tpot", "e2e"):
        values = np.array([row[name] for row in rows])
        low, high = np.percentile(np.random.default_rng(0).choice(values, (1000, len(values))).mean(axis=1), [2.5, 97.5])
        print(f"{name}: mean {values.mean():.4f} s [{low:.4f}, {high:.4f}], p95 {np.percentile(values, 95):.4f} s")
    print(f"{sum(row['output_tokens'] for row in rows) / wall:.1f} tokens/s")
    with open("rows.json", "w") as file:
        json.dump(rows, file)


asyncio.run(main())
