"""Each rule on the smallest script that breaks it, and on its repair; and silence on scripts that measure well."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchstone.judge.lint import lint

ROOT = Path(__file__).parents[3]
GOOD = sorted((ROOT / "tests" / "data" / "lint").glob("*.py"))
LOCAL = """\
import time
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("m")
model = AutoModelForCausalLM.from_pretrained("m")
"""
CLIENT = """\
import time
import openai
client = openai.OpenAI()
"""


def rules(source: str) -> set[str]:
    return {one.rule for one in lint(source, "script.py")}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_script_is_let_be(path):
    assert lint(path.read_text(encoding="utf-8"), path.name) == ()


def test_there_are_good_scripts():
    assert len(GOOD) >= 5


@pytest.mark.parametrize("path", [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tools").glob("*.py"), *(ROOT / "src").rglob("*.py")],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_of_this_repository_is_accused(path):
    assert lint(path.read_text(encoding="utf-8"), path.name) == ()


LOOP = """\
def one(inputs, most):
    start = time.perf_counter()
    out = model.generate(**inputs, max_new_tokens=most, min_new_tokens=most)
    return time.perf_counter() - start
"""
RUNS = "times = [one(inputs, 64) for _ in range(9)]\n"
SPREAD = "import statistics\nprint(statistics.mean(times), statistics.stdev(times))\n"
CASES = """\
cases = [{"prompt": "a b c", "input_len": 3}]
for case in cases:
    inputs = tokenizer(case["prompt"], return_tensors="pt")
    one(inputs, 64)
    print(one(inputs, 64), USE)
"""


@pytest.mark.parametrize(("rule", "wrong", "right"), [
    ("MT1", LOCAL + LOOP + CASES.replace("USE", 'case["input_len"]'), LOCAL + LOOP + CASES.replace("USE", 'inputs["input_ids"].shape[-1]')),
    ("MT2", LOCAL + LOOP + "inputs = tokenizer('a')\nfirst = one(inputs, 1)\n" + RUNS + SPREAD,
     LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 1)\n" + RUNS + SPREAD),
    ("MT3", LOCAL + LOOP.replace("perf_counter", "time"), LOCAL + LOOP),
    ("MT3", LOCAL + "model = model.to('cuda')\n" + LOOP,
     LOCAL + "model = model.to('cuda')\n" + LOOP.replace("    return", "    torch.cuda.synchronize()\n    return")),
    ("MT4", LOCAL + LOOP.replace(", min_new_tokens=most", "").replace("return", "return most /").replace("/ time", "/ (time") + ")",
     LOCAL + LOOP.replace("return", "return out.shape[-1] /").replace("/ time", "/ (time") + ")"),
    ("MT5", LOCAL + LOOP + "inputs = tokenizer('a')\n" + RUNS + SPREAD, LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 64)\n" + RUNS + SPREAD),
    ("MT5", LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 2)\n" + RUNS + SPREAD,
     LOCAL + LOOP + "inputs = tokenizer('a')\nwarm_up = [one(inputs, 64) for _ in range(3)]\n" + RUNS + SPREAD),
    ("MT6", LOCAL + LOOP + "inputs = tokenizer(['a', 'b c'], padding=True)\none(inputs, 64)\n" + RUNS + SPREAD,
     LOCAL + LOOP + "tokenizer.padding_side = 'left'\ninputs = tokenizer(['a', 'b c'], padding=True)\none(inputs, 64)\n" + RUNS + SPREAD),
    ("MT7", LOCAL + LOOP.replace(", min_new_tokens=most", "") + "inputs = tokenizer('a')\nfor n in (64, 128):\n    print(n, one(inputs, n))\n",
     LOCAL + LOOP + "inputs = tokenizer('a')\nfor n in (64, 128):\n    print(n, one(inputs, n))\n"),
    ("MT8", "import torch\ninfo = {'transformers version': torch.__version__}\n", "import torch\ninfo = {'torch version': torch.__version__}\n"),
    ("MT9", LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 64)\n" + RUNS + "print(sum(times) / len(times))\n",
     LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 64)\n" + RUNS + SPREAD),
    ("MT9", LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 64)\nprint(one(tokenizer('b'), 64))\n",
     LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 64)\nfor _ in range(9):\n    print(one(tokenizer('b'), 64))\n"),
    ("MT10", "import vllm\nllm = vllm.LLM('m')\nllm.generate(['a'], max_tokens=9)\n",
     "import vllm\nllm = vllm.LLM('m')\nllm.generate(['a'], vllm.SamplingParams(max_tokens=9))\n"),
    ("MT10", "import os\nos.environ['SGLANG_TARGET_BACKEND'] = 'ascend'\n", "import os\nos.environ['SGLANG_USE_MODELSCOPE'] = '1'\n"),
    ("MT10", "cmd = ['python', '-m', 'sglang.launch_server', '--backend', 'ascend']\n", "cmd = ['python', '-m', 'sglang.bench_serving', '--backend', 'sglang']\n"),
    ("MT10", CLIENT + "client.completions.create(prompt='a', ignore_eos=True)\n", CLIENT + "client.completions.create(prompt='a', extra_body={'ignore_eos': True})\n"),
    ("MT11", "for n in range(3):\n    print(m)\n    k = n\n", "for n in range(3):\n    if n:\n        print(m)\n    m = n\n"),
    ("MT11", LOCAL + "model.generate(**tokenizer('a'), do_sample=True, temperature=0)\n",
     LOCAL + "model.generate(**tokenizer('a'), do_sample=False, temperature=0)\n"),
    ("MT11", CLIENT + "for c in client.completions.create(prompt='a', stream=True):\n    print(c.usage.completion_tokens)\n",
     CLIENT + "for c in client.completions.create(prompt='a', stream=True, stream_options={'include_usage': True}):\n    print(c.usage.completion_tokens)\n"),
    ("MT12", LOCAL.replace('"m")\n', '"m", torch_dtype=torch.int8)\n'), LOCAL.replace('"m")\n', '"m", torch_dtype=torch.bfloat16)\n')),
    ("MT13", "import torch\npeak = torch.cuda.max_memory_allocated()\ntorch.cuda.reset_peak_memory_stats()\n",
     "import torch\ntorch.cuda.reset_peak_memory_stats()\npeak = torch.cuda.max_memory_allocated()\n"),
    ("MT14", LOCAL + LOOP + "t = one(tokenizer('a'), 64)\nprint(f'{t} s: an excellent result')\n",
     LOCAL + LOOP + "t = one(tokenizer('a'), 64)\nif t < 1:\n    print(f'{t} s: an excellent result')\n"),
    ("MT15", LOCAL + LOOP + "inputs = tokenizer(['a'] * 8)\none(inputs, 64)\n" + RUNS + SPREAD,
     LOCAL + LOOP + "inputs = tokenizer([f'a {n}' for n in range(8)])\none(inputs, 64)\n" + RUNS + SPREAD),
    ("MT15", CLIENT + "ts = []\nfor n in range(9):\n    s = time.perf_counter()\n    client.completions.create(prompt='a')\n    ts.append(time.perf_counter() - s)\n",
     CLIENT + "ts = []\nfor n in range(9):\n    s = time.perf_counter()\n    client.completions.create(prompt=f'{n} a')\n    ts.append(time.perf_counter() - s)\n"),
    ("MT16", LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 64)\nrates = []\nfor _ in range(9):\n    rates.append(64 / one(inputs, 64))\nprint(sum(rates) / len(rates))\n",
     LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 64)\ntimes = []\nfor _ in range(9):\n    times.append(one(inputs, 64))\nprint(64 * len(times) / sum(times))\n"),
    ("MT17", "import torch\nprint(f'{torch.cuda.memory_allocated() / 1024**3:.2f} GB')\n", "import torch\nprint(f'{torch.cuda.memory_allocated() / 1024**3:.2f} GiB')\n"),
    ("MT17", "import torch\nused_gb = torch.cuda.memory_allocated() / (1 << 30)\n", "import torch\nused_gb = torch.cuda.memory_allocated() / 10**9\n"),
])
def test_a_rule_sees_the_mistake_and_its_repair(rule, wrong, right):
    assert rule in rules(wrong)
    assert rule not in rules(right)


def test_a_cache_that_is_off_may_meet_a_prompt_again():
    source = ("import time\nfrom vllm import LLM\nllm = LLM('m'OFF)\nllm.generate(['a'])\nts = []\nfor _ in range(9):\n    s = time.perf_counter()\n"
              "    llm.generate(['a'])\n    ts.append(time.perf_counter() - s)\nprint(ts)\n")
    assert rules(source.replace("OFF", "")) == {"MT15"}
    assert rules(source.replace("OFF", ", enable_prefix_caching=False")) == set()


def test_without_a_device_nothing_has_to_be_waited_for():
    assert rules(LOCAL + LOOP + "inputs = tokenizer('a')\none(inputs, 64)\n" + RUNS + SPREAD) == set()


@pytest.mark.parametrize("source", ["", "\n", "# nothing", "import time\nstart = time.time()\nprint(time.time() - start)\n",
                                    "def f():\n    return later\nlater = 1\n", "try:\n    spam\nexcept NameError:\n    pass\n",
                                    "from math import *\nprint(sqrt(2))\n", "def f(x: Undefined) -> Unknown: ...\ny: Absent = 1\n",
                                    "[x for x in range(3) if x]\nprint([n := 1, n])\n", "class A:\n    b = 1\n    def f(self):\n        return __class__\n",
                                    "with open('a') as f, open('b') as g:\n    print(f, g)\n", "match 1:\n    case [a, *b]:\n        print(a, b)\n"])
def test_what_is_no_mistake_of_method_is_let_be(source):
    assert lint(source, "script.py") == ()
