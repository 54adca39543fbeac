"""Who answers must be who was meant, as far as a server says who it is."""

import pytest

from touchstone.errors import EngineError
from touchstone.measure.servers.readiness import check_size


def listed(parameters, name="m"):
    return [{"id": "another", "meta": {"n_params": 1}}, {"id": name, "meta": {"n_params": parameters}}]


@pytest.mark.parametrize(("said", "own"), [(631_424, 23_994_240), (13_000_000_000, 7_000_000_000)])
def test_another_size_is_another_model(said, own):
    with pytest.raises(EngineError, match="serves another model"):
        check_size(listed(said), "m", own)


@pytest.mark.parametrize("models", [[], [{"id": "m"}], [{"id": "m", "meta": None}], [{"id": "m", "meta": {"n_params": "many"}}], listed(7_600_000_000),
                                    listed(7_100_000_000), listed(1, "other")])
def test_one_that_does_not_say_or_says_nearly_the_same_is_believed(models):
    check_size(models, "m", 7_600_000_000)


def test_a_model_of_unknown_size_cannot_be_told_from_another():
    check_size(listed(1), "m", None)
