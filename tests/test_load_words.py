"""What people type for a load: every form is read as it is meant, and everything else is one clear error."""

import itertools
import json
import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from touchstone import load_words as words
from touchstone.errors import UsageError

TOKENS = st.integers(1, (1 << 31) - 1)
NONSENSE = ["", " ", "-1", "+3", "120-", "-", "..", ",", "1,,2", "1e9", "nan", "NaN", "0x10", "1_000", "²", "5²", "٣", "1 2", "½", "一",
            "1..", "..8", "8..1", "1..8*1", "1..8*0", "1..8+0", "1..8*", "1-2-3", "1:2:3", "9" * 400, "0", "0.0", "0.0000000001"]


def wide(text):
    """As typed with a Chinese keyboard left in full-width mode."""
    return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else "\u3000" if one == " " else one for one in text)


def refused(read, text, *more):
    with pytest.raises(UsageError) as caught:
        read(text, *more)
    return str(caught.value)


# ── lengths and shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────


@given(TOKENS)
def test_a_plain_number_is_an_exact_length(tokens):
    length = words.parse_length(str(tokens))
    assert (length.kind, length.mean) == ("exact", tokens)
    assert words.parse_length(wide(str(tokens))) == length


@given(TOKENS, TOKENS)
def test_a_uniform_length_keeps_its_ends(one, other):
    low, high = sorted((one, other))
    for text in (f"U({low},{high})", f"u( {low} , {high} )", wide(f"U({low},{high})")):
        length = words.parse_length(text)
        assert (length.kind, length.low, length.high) == ("uniform", low, high)
        assert low <= length.mean <= high
    if low < high:
        assert "cannot be read" in refused(words.parse_length, f"U({high},{low})")


@given(TOKENS, st.integers(0, 10**9))
def test_a_normal_length_keeps_its_mean_and_deviation(mean, deviation):
    length = words.parse_length(f"N({mean},{deviation})")
    assert (length.kind, length.mean, length.deviation, length.high) == ("normal", mean, deviation, None)


@given(st.integers(1, 1 << 30), st.integers(0, 99))
@example(1, 99)
def test_a_spread_lies_evenly_about_its_mean(mean, percent):
    for sign in ("±", "+-", "+/-"):
        length = words.parse_length(f"{mean}{sign}{percent}%")
        assert length.kind == "uniform"
        assert 1 <= length.low <= mean <= length.high
        for end in (length.low, length.high):
            assert abs(abs(Fraction(end - mean)) - Fraction(mean * percent, 100)) <= Fraction(1, 2) + Fraction(1, 10**6) or end == 1


@pytest.mark.parametrize("text", [*NONSENSE, "inf", "512.5", "1..8", "512±100%", "512±-1%", "512±10", "U(1)", "U(1,2", "N(0,3)", "N(4)", "D(1,2)",
                                  "U(0,5)", str(1 << 31), f"N(4,{'9' * 400})", "512 512"])
def test_what_is_no_length_is_refused_with_examples(text):
    assert "512±10%" in refused(words.parse_length, text)


@given(TOKENS, TOKENS)
def test_shapes_are_two_lengths(inputs, outputs):
    assert words.parse_shape(f"D({inputs},{outputs})") == (words.parse_length(str(inputs)), words.parse_length(str(outputs)))
    assert words.parse_shape(f"N({inputs},7)/({outputs},8)") == (words.parse_length(f"N({inputs},7)"), words.parse_length(f"N({outputs},8)"))
    low = min(inputs, outputs)
    assert words.parse_shape(f"U({low},{inputs})/({low},{outputs})") == (words.parse_length(f"U({low},{inputs})"),
                                                                       words.parse_length(f"U({low},{outputs})"))


@pytest.mark.parametrize("text", ["", "512", "512,256", "D(512)", "D(512,0)", "D(512,256)x", "N(480,240)", "E(64)", "D(512,256)/(1,2)", "N(1,2)/U(3,4)"])
def test_what_is_no_shape_is_refused_with_examples(text):
    assert "cannot be read" in refused(words.parse_shape, text)


# ── grids ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
def test_a_list_is_its_values_each_once_in_order(values):
    assert words.parse_grid(",".join(map(str, values))) == tuple(dict.fromkeys(values))


@given(st.integers(1, 1000), st.integers(0, 10**6), st.integers(2, 9), st.sampled_from(["..", "-", ":"]))
def test_a_product_range_holds_every_step_up_to_its_end(first, more, factor, between):
    values = words.parse_grid(f"{first}{between}{first + more}*{factor}")
    assert values[0] == first
    assert all(after == before * factor for before, after in itertools.pairwise(values))
    assert values[-1] <= first + more < values[-1] * factor


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.integers(0, 900), st.integers(0, 3))
@example(1, 1, 2, 1)  # 0.1..0.3+0.1, which binary fractions get wrong
def test_a_sum_range_holds_every_step_up_to_its_end(first, step, steps, places):
    def decimal(number):
        return f"{number // 10**places}.{number % 10**places:0{places}}" if places else str(number)

    values = words.parse_grid(f"{decimal(first)}..{decimal(first + steps * step)}+{decimal(step)}")
    assert values == tuple(float(Fraction(first + place * step, 10**places)) for place in range(steps + 1))


def test_a_range_without_a_step_doubles():
    assert words.parse_grid("1..64") == words.parse_grid("1:64") == words.parse_grid("1-64*2") == (1, 2, 4, 8, 16, 32, 64)
    assert words.parse_grid("1, 2 ,4..16*2") == words.parse_grid(wide("1,2,4..16*2")) == (1, 2, 4, 8, 16)


@pytest.mark.parametrize("text", ["inf", "INF", "infinity"])
def test_infinity_is_a_value_of_its_own(text):
    assert words.parse_grid(text) == (math.inf,)
    assert words.parse_grid(f"1,{text}") == (1, math.inf)


@pytest.mark.parametrize("text", [*NONSENSE, "1..inf", "-inf", "a", "1;2", "1..64*2*2", "10000000000"])
def test_what_is_no_list_is_refused_with_examples(text):
    assert "1..64*2" in refused(words.parse_grid, text)


def test_a_list_that_never_ends_is_refused():
    assert "more than 1000 values" in refused(words.parse_grid, "1..1000000+1")
    assert "more than 1000 values" in refused(words.parse_grid, "1..64*1.0000001")
    assert len(words.parse_grid("1..1000+1")) == 1000


@given(st.text("0123456789.,-:*+ infNE%", max_size=12))
def test_a_list_is_read_or_refused_and_nothing_else(text):
    try:
        values = words.parse_grid(text)
    except UsageError:
        return
    assert values
    assert all(value > 0 for value in values)
    assert len(values) == len(set(values))


# ── durations and stages ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(1, 10_000), st.sampled_from([("", 1), ("s", 1), ("ms", 0.001), ("m", 60), ("min", 60), ("h", 3600), (" s", 1), ("S", 1)]))
def test_durations_have_units(number, unit):
    if number * unit[1] <= 366 * 86_400:
        assert words.parse_duration(f"{number}{unit[0]}") == pytest.approx(number * unit[1])
    if number < 8000:
        assert words.parse_duration(f"{number}.5{unit[0]}") == pytest.approx((number + 0.5) * unit[1])


@pytest.mark.parametrize("text", [*NONSENSE, "inf", "10x", "s", "1s2", "-1s", "0s", "1 0s", "1d", "9000h"])
def test_what_is_no_duration_is_refused_with_examples(text):
    assert "Write 60s" in refused(words.parse_duration, text)


def test_no_time_at_all_is_a_pause():
    assert words.parse_duration("0", zero=True) == words.parse_duration("0ms", zero=True) == 0
    assert words.parse_duration(".5s") == 0.5


@given(st.lists(st.tuples(st.integers(1, 999), st.integers(1, 999)), min_size=1, max_size=5))
def test_stages_are_times_and_rates(pairs):
    stages = words.parse_stages(", ".join(f"{time_s}s@{rate}" for time_s, rate in pairs))
    assert [(stage.duration_s, stage.request_rate) for stage in stages] == pairs


@pytest.mark.parametrize("text", ["", "30s", "@2", "30s@", "30s@0", "30s@-1", "30s@inf", "30s@2,", "30s@2@3", "0s@2", "30s@1e3"])
def test_what_is_no_stage_is_refused(text):
    assert "Write" in refused(words.parse_stages, text)


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("text", "requests", "keys"), [
    ("0", None, {"warmup": 0, "warmup_s": None}), ("3", 64, {"warmup": 3, "warmup_s": None}), ("10%", 64, {"warmup": 6, "warmup_s": None}),
    ("0.1", 100, {"warmup": 10, "warmup_s": None}), ("100%", 7, {"warmup": 7, "warmup_s": None}), ("auto", None, {"warmup": "auto", "warmup_s": None}),
    ("30s", None, {"warmup_s": 30.0}), ("1m", 64, {"warmup_s": 60.0})])
def test_a_warmup_is_a_count_a_share_a_time_or_auto(text, requests, keys):
    assert words.parse_warmup(text, requests) == keys


@pytest.mark.parametrize("text", ["", "-1", "many", "101%", "1.5", "3x", "1e3", "0s", "%", "9" * 30])
def test_what_is_no_warmup_is_refused(text):
    assert refused(words.parse_warmup, text, 64)


def test_a_share_of_an_unknown_number_is_refused():
    assert "--num-prompts" in refused(words.parse_warmup, "10%", None)


@pytest.mark.parametrize(("texts", "pairs"), [
    (("a=1",), {"a": "1"}), (("X-Key: abc=def",), {"X-Key": "abc=def"}), (("X-Key=a:b",), {"X-Key": "a:b"}), (("a=",), {"a": ""}),
    (("url=http://x/?q=1", "b: 2"), {"url": "http://x/?q=1", "b": "2"}), ((), {})])
def test_pairs(texts, pairs):
    assert words.parse_pairs(texts, "--label") == pairs


@pytest.mark.parametrize("text", ["secret", "=secret", ": secret", " =secret"])
def test_a_header_that_is_none_is_refused_without_showing_it(text):
    assert "secret" not in refused(words.parse_pairs, (text,), "--header")
    assert "secret" in refused(words.parse_pairs, (text,), "--label")


def test_a_name_is_given_once():
    said = refused(words.parse_pairs, ("Authorization=secret", "authorization: secret"), "--header")
    assert "twice" in said
    assert "secret" not in said


@given(st.dictionaries(st.text(min_size=1), st.none() | st.booleans() | st.integers(-9, 9) | st.text()))
def test_a_body_is_a_json_object(fields):
    assert words.parse_body((json.dumps(fields),)) == fields


def test_a_body_may_be_given_by_name():
    assert words.parse_body(("top_k:1", 'stop:["a"]', "user=me", "min_p: 0.1", "note:a:b", '{"top_k": 2}')) == {
        "top_k": 2, "stop": ["a"], "user": "me", "min_p": 0.1, "note": "a:b"}


@pytest.mark.parametrize("text", ["{", "[1]", "1", '{"a": NaN}', '{"a": Infinity}', "{'a': 1}", "", "[" * 100_000])
def test_what_is_no_body_is_refused(text):
    assert "--extra-body" in refused(words.parse_body, (text,))
