"""Models named without a file: every spelling finds its own sizes, and no other model's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.simulate.accounting import active_parameters_per_step, parameters
from touchstone.simulate.known_models import find_models, known_model, known_models

# Totals of the models' cards and of their safetensors indices.
CARDS = {
    "Llama-2-13B": 13_015_864_320, "Llama-2-70B": 68_976_648_192, "Llama-3-70B": 70_553_706_496, "Llama-3.1-405B": 405_853_388_800,
    "Llama-3.2-1B": 1_235_814_400, "Llama-3.2-3B": 3_212_749_824, "Yi-6B": 6_061_035_520, "Yi-34B": 34_388_917_248,
    "Baichuan2-7B": 7_505_973_248, "Baichuan2-13B": 13_896_668_160, "Qwen1.5-0.5B": 463_987_712, "Qwen1.5-1.8B": 1_836_828_672,
    "Qwen1.5-4B": 3_950_369_280, "Qwen1.5-7B": 7_721_324_544, "Qwen1.5-14B": 14_167_290_880, "Qwen1.5-32B": 32_512_218_112,
    "Qwen1.5-72B": 72_287_920_128, "Qwen1.5-110B": 111_209_914_368, "Qwen2-1.5B": 1_543_714_304, "Qwen2.5-3B": 3_085_938_688,
    "Qwen2.5-14B": 14_770_033_664, "Qwen2.5-32B": 32_763_876_352, "DeepSeek-R1-Distill-Qwen-1.5B": 1_777_088_000,
    "Qwen3-0.6B": 596_049_920, "Qwen3-1.7B": 1_720_574_976, "Qwen3-4B": 4_022_468_096, "Qwen3-14B": 14_768_307_200,
    "Qwen3-235B-A22B": 235_093_634_560, "Mistral-7B-v0.3": 7_248_023_552, "Mixtral-8x22B": 140_620_634_112,
    "DeepSeek-V2": 235_741_434_880,
}
NAMES = {
    "Llama-2-7B": "Llama-2-7B", "NousResearch/Llama-2-7b-hf": "Llama-2-7B", "Llama-2-7b-chat-hf": "Llama-2-7B", "llama2 7b": "Llama-2-7B",
    "LLaMA2-13B": "Llama-2-13B", "Llama 3-8B-Instruct": "Llama-3-8B", "Llama3-8B-Chinese-Chat": "Llama-3-8B", "llama3:8b": "Llama-3-8B",
    "meta-llama/Meta-Llama-3.1-8B-Instruct": "Llama-3.1-8B", "Llama-3.3-70B-Instruct": "Llama-3.3-70B", "Qwen2-7B-Instruct": "Qwen2-7B",
    "qwen/Qwen2.5-72B-Instruct-AWQ": "Qwen2.5-72B", "Qwen2.5-Coder-7B-Instruct": "Qwen2.5-7B", "qwen2 7b": "Qwen2-7B",
    "Qwen/Qwen1.5-7B-Chat": "Qwen1.5-7B", "Qwen2-72B": "Qwen2-72B", "Qwen2-0.5B": "Qwen2-0.5B", "/data/models/Qwen2-7B": "Qwen2-7B",
    "Qwen3-32B": "Qwen3-32B", "Qwen3-8B-FP8": "Qwen3-8B", "Qwen3-30B-A3B-Instruct-2507": "Qwen3-30B-A3B", "QwQ-32B": "QwQ-32B",
    "DeepSeek-R1": "DeepSeek-R1", "DeepSeek-R1-0528": "DeepSeek-R1", "deepseek-r1:671b": "DeepSeek-R1", "DeepSeek-V3.1": "DeepSeek-V3.1",
    "deepseek-ai/DeepSeek-V3-0324": "DeepSeek-V3", "DeepSeek-V2-Lite-Chat": "DeepSeek-V2-Lite", "DeepSeek-V2.5": "DeepSeek-V2.5",
    "DeepSeek-Coder-V2-Lite-Instruct": "DeepSeek-V2-Lite", "DeepSeek-R1-Distill-Qwen-7B": "DeepSeek-R1-Distill-Qwen-7B",
    "DeepSeek-R1-0528-Qwen3-8B": "DeepSeek-R1-0528-Qwen3-8B", "gpt-oss-20b": "gpt-oss-20b", "openai/gpt-oss-120b": "gpt-oss-120b",
    "Mistral-7B-v0.3": "Mistral-7B-v0.3", "Mistral-7B-Instruct-v0.2": "Mistral-7B-v0.2", "mistral 7b": "Mistral-7B",
    "Mixtral-8x7B-Instruct-v0.1": "Mixtral-8x7B", "使用Qwen2-7B模型": "Qwen2-7B", "Qwen2\u20117B": "Qwen2-7B", "Yi-1.5-34B-Chat": "Yi-1.5-34B",
}


@pytest.mark.parametrize("name", CARDS)
def test_totals_are_those_of_the_cards(name):
    assert parameters(known_models()[name]) == CARDS[name]


@pytest.mark.parametrize("name", known_models())
def test_a_name_finds_itself_and_its_sizes_are_near_its_name(name):
    import re

    arch = known_model(name)
    assert arch == known_models()[name]
    assert arch.name == name
    assert arch.dtype in {"fp16", "bf16"}
    size = re.search(r"(?:(\d)x)?([\d.]+)[bB]$", re.sub(r"-(v[\d.]+|A[\d.]+B)$", "", name))
    if size:
        billions = float(size[2]) * (0.85 * int(size[1]) if size[1] else 1)
        assert parameters(arch) / 1e9 == pytest.approx(billions, rel=0.25, abs=0.08)
    active = re.search(r"-A([\d.]+)B$", name)
    if active:
        assert active_parameters_per_step(arch) / 1e9 == pytest.approx(float(active[1]), rel=0.05)


@pytest.mark.parametrize("text", NAMES)
def test_names_as_people_write_them(text):
    found = known_model(text)
    assert found is not None
    assert found.name == NAMES[text]


@pytest.mark.parametrize("text", [
    "", "Llama", "Qwen2", "Qwen-7B", "Qwen-27B", "Qwen27B", "Llama-38B", "Qwen2-70B", "Qwen3.5-27B", "Qwen2.5-VL-7B", "CodeQwen1.5-7B",
    "CodeLlama-7b", "TinyLlama-1.1B", "Chinese-Llama-2-7B", "DeepSeek-V3.2", "DeepSeek-V3.2-Exp", "deepseek-r1:7b", "DeepSeek-R1-32B",
    "DeepSeek-R1-Distill", "DeepSeek-R1蒸馏版", "DeepSeek-R1-Qwen-7B", "Qwen3-80B-A3B", "Llama-3.1-8Bx", "gpt-oss", "Llama-1-7B", "Qwen3-8.5B",
])
def test_another_model_is_not_taken_for_a_known_one(text):
    assert known_model(text) is None


@pytest.mark.parametrize(("text", "dtype", "quantization"), [
    ("Qwen2.5-72B-Instruct-AWQ", "bf16", "int4"), ("Qwen2-7B-Instruct-GPTQ-Int8", "bf16", "int8"),
    ("Qwen2.5-7B-Instruct-GGUF:Q4_K_M", "bf16", "q4_k"), ("Meta-Llama-3.1-8B-Instruct-quantized.w8a8", "bf16", "int8"),
    ("Qwen3-30B-A3B-FP8", "bf16", "fp8"), ("DeepSeek-R1", "bf16", "fp8"), ("unsloth/DeepSeek-V3-bf16", "bf16", None),
    ("Llama-2-7b-hf", "fp16", None), ("gpt-oss-20b-mxfp4", "bf16", "mxfp4"),
])
def test_the_end_of_a_name_says_the_quantisation(text, dtype, quantization):
    found = known_model(text)
    assert (found.dtype, found.quantization and found.quantization.name) == (dtype, quantization)


def test_all_mentions_of_a_text_in_order():
    text = "我们对比了Qwen2-7B与Llama 3-8B；DeepSeek-R1-Distill-Qwen-7B 也来自 Qwen2-7B。Qwen2-72B-Instruct-AWQ (见 DeepSeek-R1)"
    mentions = find_models(text)
    assert [mention.architecture.name for mention in mentions] == [
        "Qwen2-7B", "Llama-3-8B", "DeepSeek-R1-Distill-Qwen-7B", "Qwen2-7B", "Qwen2-72B", "DeepSeek-R1"]
    assert all(text[mention.start:].startswith(mention.text) for mention in mentions)
    assert mentions[4].architecture.quantization.name == "int4"


def test_an_endless_text_gives_its_first_thousand_mentions():
    assert len(find_models("Qwen2-7B " * 5000)) == 1000


@given(before=st.text(max_size=20), name=st.sampled_from(sorted(known_models())), after=st.text(max_size=20))
def test_a_name_in_a_text_of_any_kind_is_found_where_nothing_clings_to_it(before, name, after):
    names = [mention.architecture.name for mention in find_models(f"{before} «{name}» {after}")]
    assert name in names
