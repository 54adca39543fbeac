"""Every recorded output, read as a person reads it; then the same outputs damaged, dressed and mixed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_listings import BOXES, RECORDED, expected, lines_of, text_of

from touchstone.smi import read_listing

EXPECTED = expected()
NAMES = sorted(RECORDED)
PLAIN_WORDS = st.text(st.sampled_from("abcXYZ 中文，。äß"), max_size=60)


def facts(listing):
    """Every value that is known, by its name; the order in a cut table is no fact."""
    return {(name, value) for one in (*listing.devices, *listing.processes) for name, value in vars(one).items() if value is not None}


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_output_is_read_in_full(name):
    assert lines_of(read_listing(text_of(name))) == EXPECTED[name]


def test_every_recorded_output_is_expected_and_most_of_them_name_devices():
    assert set(EXPECTED) == set(NAMES)
    assert sum(bool(lines) for lines in EXPECTED.values()) > 45


@pytest.mark.parametrize("name", [name for name in BOXES if name.startswith("info-")])
def test_memory_is_the_last_pair_of_the_row_with_the_bus(name):
    rows = [re.findall(r"([0-9]+)\s*/\s*([0-9]+)", line)[-1] for line in text_of(name).splitlines()
            if re.search(r"\|\s*([0-9A-F]{4}:[0-9A-F]{2}:[0-9A-F]{2}\.[0-9A-F]|NA)\s*\|.*/", line)]
    read = [(device.memory_used_bytes >> 20, device.memory_total_bytes >> 20) for device in read_listing(text_of(name)).devices]
    assert read == [(int(used), int(total)) for used, total in rows]
    assert read


DRESSES = {
    "windows": lambda line: line + "\r", "indented": lambda line: "        " + line, "trailing": lambda line: line + "   ",
    "quoted": lambda line: "> " + line, "twice quoted": lambda line: "> > " + line, "coloured": lambda line: f"\x1b[1;32m{line}\x1b[0m",
    "stamped": lambda line: f"2026-03-01T10:00:00.123456Z {line}", "logged": lambda line: f"Mar 01 10:00:00 node7 smi[42]: {line}",
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("name", NAMES)
def test_how_it_was_copied_does_not_matter(name, dress):
    text = "\n".join(map(DRESSES[dress], text_of(name).splitlines()))
    assert lines_of(read_listing(text)) == EXPECTED[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_fence_and_a_prompt_around_it_do_not_matter(name):
    told = f"Here it is:\n```text\n{text_of(name)}\n```\n[root@host ~]# exit\n"
    assert lines_of(read_listing(told)) == EXPECTED[name]


@given(st.sampled_from(NAMES), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_widths_do_not_matter(name, random):
    text = re.sub(r"(?<=\S) {2,}(?=\S)", lambda _: " " * random.randint(2, 40), text_of(name))
    text = re.sub(r"[-=]{4,}", lambda found: found[0][0] * random.randint(4, 90), text)
    assert lines_of(read_listing(text)) == EXPECTED[name]


@given(st.sampled_from(NAMES), st.lists(st.tuples(st.integers(0, 60), PLAIN_WORDS), max_size=8))
@settings(max_examples=150)
def test_words_between_the_lines_are_left_out(name, junk):
    lines = text_of(name).splitlines()
    for place, words in junk:
        if words.strip():  # an empty line does mean something to npu-smi, and an indented word is a section to nvidia-smi -q
            lines.insert(min(place, len(lines)), words.lstrip())
    assert lines_of(read_listing("\n".join(lines))) == EXPECTED[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_end_that_was_cut_off_invents_nothing(name):
    lines, whole = text_of(name).splitlines(), facts(read_listing(text_of(name)))
    for cut in range(len(lines)):
        # of a stream of samples an earlier one is then the last
        said = {fact for fact in facts(read_listing("\n".join(lines[:cut]))) if not name.startswith(("watch", "dmon")) or fact[0] == "npu_id"}
        assert said <= whole, cut


@pytest.mark.parametrize("name", BOXES)
def test_a_beginning_that_was_cut_off_invents_nothing(name):
    lines, whole = text_of(name).splitlines(), facts(read_listing(text_of(name)))
    for cut in range(len(lines)):
        assert facts(read_listing("\n".join(lines[cut:]))) <= whole, cut


@given(st.sampled_from(BOXES), st.data())
@settings(max_examples=200)
def test_a_number_that_was_cut_in_two_is_no_number(name, data):
    text = text_of(name)
    start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    start = text.rfind("\n", 0, start) + 1
    assert facts(read_listing(text[start:end])) <= facts(read_listing(text))


@given(st.sampled_from(BOXES), st.sampled_from(BOXES))
@settings(max_examples=60)
def test_npus_and_gpus_of_one_text_stand_side_by_side(one, other):
    if one.startswith("info-") == other.startswith("info-"):
        return
    both = read_listing(text_of(one) + "\n" + text_of(other))
    assert sorted(lines_of(both)) == sorted(EXPECTED[one] + EXPECTED[other])


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
@settings(max_examples=300)
def test_anything_can_be_read(text):
    assert read_listing(text).devices == ()


@given(st.sampled_from(BOXES), st.lists(st.tuples(st.integers(0, 5000), st.characters()), max_size=20))
@settings(max_examples=200)
def test_damage_never_raises(name, damage):
    characters = list(text_of(name))
    for place, character in damage:
        characters[place % len(characters)] = character
    read_listing("".join(characters))
