"""Numbers as a person reads them: four digits, never an exponent, both readings of a size."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from touchstone.units import gigabytes, seconds, significant


def test_four_digits_with_commas():
    assert significant(1234.567) == "1,235"
    assert significant(12.3456) == "12.35"
    assert significant(0.012345) in {"0.01234", "0.01235"}
    assert significant(-1234.567) == "-1,235"


def test_numbers_just_below_a_power_of_ten_keep_their_digits():
    assert significant(999.7) == "999.7"
    assert significant(99.56) == "99.56"
    assert significant(9.512) == "9.512"


def test_rounding_up_to_a_power_of_ten_adds_no_digit():
    assert significant(0.999999) == "1.000"
    assert significant(9.99999) == "10.00"


def test_whole_numbers_stay_whole():
    assert [significant(value) for value in (0.0, 7.0, 16.0, 1024.0, 123456.0, 1e12)] == [
        "0", "7", "16", "1,024", "123,456", "1,000,000,000,000"]


def test_fewer_digits_on_request():
    assert significant(0.4567, 2) == "0.46"
    assert significant(12.3456, 3) == "12.3"


@given(st.floats(1e-9, 1e12))
@example(1e-9)
@example(999.9999)
@example(0.09999999)
def test_never_an_exponent_and_never_off_by_more_than_half_the_last_digit(value):
    shown = significant(value)
    assert re.fullmatch(r"\d{1,3}(,\d{3})*(\.\d+)?", shown)
    decimals = len(shown.partition(".")[2])
    assert abs(float(shown.replace(",", "")) - value) <= 0.5 * 10.0 ** -decimals * (1 + 1e-9)


@given(st.floats(1e-9, 9999.4).filter(lambda value: value != round(value)))
@example(9.7)
@example(0.99999)
def test_exactly_four_significant_digits_are_shown(value):
    digits = significant(value).replace(",", "").replace(".", "").lstrip("0")
    assert len(digits) == 4


def test_sizes_are_given_in_both_units():
    assert gigabytes(15_230_000_000) == "15.23 GB (14.18 GiB)"
    assert gigabytes(1 << 30) == "1.074 GB (1 GiB)"


def test_nanoseconds_become_seconds():
    assert seconds(1_500_000_000) == 1.5
