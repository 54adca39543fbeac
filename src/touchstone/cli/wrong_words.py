"""What click finds wrong with a command line, said like every other error: what, and what to do next, in the user's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from touchstone.errors import UsageError
from touchstone.message import Message, say


def in_words(error: click.UsageError) -> UsageError:
    """``error`` as one of ours. What a kind of value has to say of itself, such as its choices, stays as click says it where we know no better."""
    command = error.ctx.command_path if error.ctx else "touchstone"
    said = next((words(error) for kind, words in _WORDS.items() if isinstance(error, kind)), None) or _other(error)
    return UsageError("{what}", "See: {command} --help.", what=said, command=command)


def _no_such_option(error: click.NoSuchOption) -> Message:
    if error.possibilities:
        return say("There is no option {name}. Did you mean {nearest}?", name=error.option_name, nearest=error.possibilities[0])
    return say("There is no option {name}.", name=error.option_name)


def _missing(error: click.MissingParameter) -> Message:
    return say("{name} is missing.", name=_name(error))


def _bad_value(error: click.BadParameter) -> Message:
    kind = error.param.type if error.param else None
    if isinstance(kind, click.Choice):
        return say("{name} has to be one of {choices}.", name=_name(error), choices=", ".join(map(str, kind.choices)))
    if isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
        number = say("a whole number") if isinstance(kind, click.types.IntParamType) else say("a number")
        return say("{name} has to be {number}{limits}.", name=_name(error), number=number, limits=_limits(kind))
    if isinstance(kind, click.Path):
        return say("{name}: there is no such file or directory, or it is of the other kind ({detail})", name=_name(error), detail=error.message)
    return say("{name}: {detail}", name=_name(error), detail=error.message)


def _limits(kind: click.ParamType[object]) -> Message | str:
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    if low is not None and high is not None:
        return say(" from {low} to {high}", low=low, high=high)
    return say(" of at least {low}", low=low) if low is not None else ""


def _option_usage(error: click.BadOptionUsage) -> Message:
    return say("{name} needs a value.", name=error.option_name) if "argument" in error.message else say("{name}: {detail}", name=error.option_name,
                                                                                                       detail=error.message)


def _other(error: click.UsageError) -> Message:
    _, bracket, words = error.message.rstrip(").").partition("(")
    if "unexpected extra argument" in error.message and bracket:
        return say("Too many arguments: {words}.", words=words)
    return say("{detail}", detail=error.format_message())


def _name(error: click.BadParameter) -> str:
    hint = error.param_hint or (error.param.get_error_hint(error.ctx) if error.param and error.ctx else None) or "?"
    return (hint if isinstance(hint, str) else " / ".join(hint)).replace("'", "")


_WORDS: Mapping[type[click.UsageError], Callable[..., Message]] = {
    click.NoSuchOption: _no_such_option, click.MissingParameter: _missing, click.BadParameter: _bad_value, click.BadOptionUsage: _option_usage,
}
"""Kind of error → its words; the first that fits, so that a missing value is not taken for a bad one."""
