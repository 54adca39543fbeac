"""Whom a run measures where the user said little, and what it answers where the user said something impossible."""

import json

import pytest

from touchstone.checkpoints import synthetic
from touchstone.checkpoints.shape import ON_DEVICE_ONLY
from touchstone.errors import DataError, NotReadyError, UsageError
from touchstone.measure.devices.cpu import usable_cores
from touchstone.measure.engines import ENGINES, is_installed
from touchstone.measure.target import resolve
from touchstone.plan import EngineOptions

pytestmark = pytest.mark.skipif(not all(is_installed(ENGINES[name]) for name in ("llama.cpp", "transformers")), reason="needs both engines installed")


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """A host whose only device is its CPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "")


def target_of(**changes):
    return resolve(**{"engine": None, "device": None, "model": "tiny", "dtype": None, "options": EngineOptions(), **changes})


def test_on_a_cpu_it_is_llama_cpp_in_fp16_on_every_core(tiny):
    target = target_of()
    assert (target.engine, target.device, target.model, target.dtype) == ("llama.cpp", "cpu", str(tiny), "fp16")
    assert target.options.threads == usable_cores()


def test_threads_that_were_asked_for_stay():
    assert target_of(options=EngineOptions(threads=1)).options.threads == 1


def test_a_checkpoint_directory_goes_to_transformers(tiny):
    target = target_of(model=str(tiny))
    assert (target.engine, target.model, target.dtype) == ("transformers", str(tiny), "fp32")


def test_a_gguf_file_goes_to_llama_cpp_in_its_own_dtype(tiny):
    file = synthetic.ensure_gguf(tiny, "int8")
    target = target_of(model=str(file))
    assert (target.engine, target.model, target.dtype) == ("llama.cpp", str(file), "auto")


def test_a_relative_path_is_kept_whole(tiny, monkeypatch):
    monkeypatch.chdir(tiny.parent)
    assert target_of(model=f"./{tiny.name}").model == str(tiny)


@pytest.mark.parametrize("said", ["gpu", "gpu:0", "nvidia", "cuda"])
def test_a_gpu_is_cuda_by_any_name(said, monkeypatch):
    monkeypatch.setattr("touchstone.measure.target.engine_row", lambda _name: ("transformers", ENGINES["transformers"]))
    assert target_of(device=said).device == said.replace("gpu", "cuda").replace("nvidia", "cuda")


@pytest.mark.parametrize(("said", "meant"), [
    ("hf", "transformers"), ("transformers", "transformers"),
    ("llamacpp", "llama.cpp"), ("llama-cpp", "llama.cpp"), ("xllamacpp", "llama.cpp"), ("llama.cpp", "llama.cpp"),
])
def test_engines_have_aliases(said, meant):
    assert target_of(engine=said).engine == meant


@pytest.mark.parametrize(("said", "meant"), [
    ("float32", "fp32"), ("fp32", "fp32"), ("float16", "fp16"), ("half", "fp16"), ("bfloat16", "bf16"), ("q8_0", "int8"), ("w8", "int8"),
])
def test_dtypes_have_aliases(said, meant):
    assert target_of(dtype=said).dtype == meant


def test_shapes_without_files_go_to_transformers_by_name():
    assert (target_of(model="llama-2-7b").engine, target_of(model="llama-2-7b").model) == ("transformers", "llama-2-7b")


@pytest.mark.parametrize("model", sorted(ON_DEVICE_ONLY))
def test_llama_cpp_cannot_have_a_shape_without_files(model):
    with pytest.raises(UsageError, match=f"{model}.*--engine transformers"):
        target_of(engine="llama.cpp", model=model)


@pytest.mark.parametrize(("given", "said"), [
    ({"engine": "transformer"}, "Unknown engine: transformer. Did you mean transformers?"),
    ({"engine": "llama.ccp"}, "Did you mean llama.cpp?"),
    ({"engine": "tensorrt"}, "Known: llama.cpp, llamacpp-server, mindie"),
    ({"engine": "transformers", "options": EngineOptions(tensor_parallel=2)}, "The engine transformers has no option --tensor-parallel."),
    ({"engine": "llama.cpp", "options": EngineOptions(server_args=("--x",))}, "has no option --server-arg. It takes: --engine-python, --threads."),
    ({"engine": "mindie", "device": "cpu"}, "The engine mindie does not run on cpu here. It runs on: npu."),
    ({"device": "cuda0"}, "Unknown device: cuda0. Did you mean cuda?"),
    ({"device": "tpu"}, "Did you mean"),
    ({"device": "npu", "engine": "llama.cpp"}, "The engine llama.cpp does not run on npu here. It runs on: cpu."),
    ({"dtype": "fp8"}, "The engine llama.cpp cannot run fp8 on cpu. It can run: fp32, fp16, bf16, int8."),
    ({"dtype": "int8", "device": "npu", "model": "llama-2-7b"}, "cannot run int8 on npu. It can run: fp32, fp16, bf16."),
    ({"model": "tinny"}, "Unknown model: tinny. Did you mean tiny?"),
    ({"model": "llama2-7b"}, "Did you mean llama-2-7b?"),
])
def test_what_cannot_be_is_a_usage_error_that_helps(given, said):
    with pytest.raises(UsageError) as caught:
        target_of(**given)
    assert said in str(caught.value)


def test_a_directory_without_a_config_is_no_model(tmp_path):
    with pytest.raises(DataError, match=r"no config\.json") as caught:
        target_of(model=str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_is_no_gguf_is_no_model(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(DataError, match=r"model\.bin is not a model"):
        target_of(model=str(tmp_path / "model.bin"))


@pytest.mark.parametrize("name", ["nowhere/model", "model.gguf"])
def test_a_path_that_does_not_exist_is_not_ready(tmp_path, name):
    with pytest.raises(NotReadyError, match=r"There is no model at .*tiny"):
        target_of(model=str(tmp_path / name))


def test_a_target_can_be_kept_in_a_run():
    target = target_of()
    assert type(target).model_validate(json.loads(json.dumps(target.model_dump(mode="json")))) == target


def test_a_model_that_was_pulled_is_found_by_its_name_on_the_hub(tiny, tmp_path, monkeypatch):
    from touchstone.measure import target

    monkeypatch.setattr(target, "find_local", lambda name: tiny if name == "org/name" else None)
    assert target_of(model="org/name").model == str(tiny)
    with pytest.raises(NotReadyError, match="touchstone pull org/other"):
        target_of(model="org/other")


def test_a_directory_with_one_gguf_file_is_that_file_and_with_two_a_question(tiny, tmp_path):
    source = synthetic.ensure_gguf(tiny, "fp16")
    one = tmp_path / "a-Q.gguf"
    one.hardlink_to(source)
    found = target_of(model=str(tmp_path))
    assert (found.engine, found.model) == ("llama.cpp", str(one))
    (tmp_path / "b-Q.gguf").hardlink_to(source)
    with pytest.raises(UsageError, match=r"Name one: a-Q\.gguf, b-Q\.gguf"):
        target_of(model=str(tmp_path))


@pytest.mark.parametrize(("engine", "model"), [("vllm-server", "llama-2-7b"), ("sglang-server", "llama-2-7b"), ("mindie", "160m")])
def test_on_an_npu_the_default_model_is_what_the_engine_can_have(engine, model):
    assert target_of(engine=engine, device="npu", model=None).model.endswith(model)
