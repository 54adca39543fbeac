"""A command line that cannot be understood: what is wrong, what to do next, in the user's language, with exit code 2."""

import pytest

from touchstone.cli import run_command_line

WRONG = {
    ("run", "--nop-compile"): ("There is no option --nop-compile. Did you mean --no-compile? See: touchstone run --help.",
                               "没有选项 --nop-compile，是否指 --no-compile？参见：touchstone run --help。"),
    ("report",): ("DIRECTORY is missing. See: touchstone report --help.", "缺少 DIRECTORY。参见：touchstone report --help。"),
    ("run", "a", "b"): ("Too many arguments: b. See: touchstone run --help.", "多余的参数：b。参见：touchstone run --help。"),
    ("report", "--format", "pdf", "x"): ("--format has to be one of text, md, json, html. See: touchstone report --help.",
                                         "--format 须为以下之一：text, md, json, html。参见：touchstone report --help。"),
    ("serve", "--port", "99999"): ("--port has to be a whole number from 0 to 65535. See: touchstone serve --help.",
                                   "--port 须为整数，范围 0 至 65535。参见：touchstone serve --help。"),
    ("audit", "x", "--devices", "0"): ("--devices has to be a whole number of at least 1. See: touchstone audit --help.",
                                       "--devices 须为整数，至少为 1。参见：touchstone audit --help。"),
    ("run", "--model"): ("--model needs a value.", "--model 需要一个值。"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.items(), ids=map(" ".join, WRONG))
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_is_wrong_and_what_to_do_next(words, said, lang, capsys, monkeypatch):
    monkeypatch.setenv("LANG", {"en": "C.UTF-8", "zh": "zh_CN.UTF-8"}[lang])
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE", "TOUCHSTONE_LANG"):
        monkeypatch.delenv(name, raising=False)
    assert run_command_line(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert " ".join(captured.err.split()).startswith(f"touchstone: {said[lang == 'zh']}")


def test_no_words_at_all_print_the_verbs(capsys):
    assert run_command_line([]) == 2
    assert "audit" in capsys.readouterr().err


def test_hostile_words_are_inert(capsys):
    assert run_command_line(["run", "--\x1b]0;owned\x07"]) == 2
    assert "\x1b" not in capsys.readouterr().err
