"""What is known of a model behind a server before and after it runs."""

import pytest

from touchstone.checkpoints import synthetic
from touchstone.errors import NotReadyError
from touchstone.measure.engines.served_model import model_of
from touchstone.plan import Target


def model(engine, name, dtype="fp16"):
    return model_of(Target(engine=engine, device="cpu", model=str(name), dtype=dtype))


def test_a_log_that_agrees_is_evidence_and_any_other_is_none(tiny):
    served = model("vllm-server", tiny)
    size = sum(served.dtypes().values())
    assert served.weights_from(size, 1) == "log"
    assert served.weights_from(round(size / 2 * 1.01), 2) == "log"
    assert served.weights_from(2 * size, 1) == "request"
    assert served.weights_from(None, 1) == "request"


def test_a_gguf_file_is_served_as_it_is(tiny):
    assert model("llamacpp-server", synthetic.ensure_gguf(tiny, "fp16")).weights_from(None, 1) == "file"


def test_a_shape_without_files_gets_random_weights_from_the_server():
    served = model("vllm-server", "llama-2-7b", "auto")
    assert served.dummy
    assert served.random_weights
    assert served.files() == []
    assert served.footprint().weight_bytes == 2 * served.parameters == 13_476_831_232


def test_a_name_that_is_no_directory_says_what_is_needed():
    with pytest.raises(NotReadyError, match="its tokenizer"):
        model("server", "org/name", "auto")
