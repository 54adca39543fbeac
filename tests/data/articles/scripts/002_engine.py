import os
from pathlib import Path

import sglang

os.environ["SGLANG_TARGET_BACKEND"] = "ascend"


def answers(engine, questions):
    return [engine.generate(question, max_new_tokens=50) for question in questions]


if __name__ == "__main__":
    engine = sglang.Engine(model_path=str(Path.home() / "llama-3-8b"), dtype="float16", backend="ascend")
    print(answers(engine, ["Good morning!", "Good night!"]))
