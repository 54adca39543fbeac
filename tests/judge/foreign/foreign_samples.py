"""The sample results of other tools, see tests/data/foreign/README.md."""

from pathlib import Path

from touchstone.judge.foreign import read_result, read_results

SAMPLES = Path(__file__).parents[2] / "data" / "foreign"
TOOLS = {"vllm.json": "vllm", "sglang.jsonl": "sglang", "guidellm.json": "guidellm", "aiperf": "aiperf", "evalscope": "evalscope",
         "aisbench": "aisbench", "genai-bench": "genai-bench", "llama-bench.json": "llama-bench", "llama-bench.jsonl": "llama-bench",
         "llama-bench.csv": "llama-bench"}


def files_of(name):
    """The bytes of a sample by path inside it."""
    path = SAMPLES / name
    if path.is_file():
        return {name: path.read_bytes()}
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}


def result_of(name):
    """What is read of a sample."""
    if (SAMPLES / name).is_file():
        return read_result((SAMPLES / name).read_bytes(), name)
    (result,) = read_results(files_of(name), name)
    return result
