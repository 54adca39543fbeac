"""The same drawing in fewer letters: what is default is left out, what neighbours share is said once, what looks alike is one path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from xml.etree import ElementTree as ET

_DEFAULTS = {"opacity": "1", "fill-opacity": "1", "stroke-opacity": "1", "font-weight": "normal", "transform": "translate(0,0)"}
_INHERITED = ("fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "font-size", "text-anchor")
_TRANSLATED = re.compile(r"translate\((-?[\d.]+),(-?[\d.]+)\)")
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_VALUE = re.compile(r"-?\d*\.?\d+")
_POLYLINE = re.compile(r"(?:[ML]-?[\d.]+,-?[\d.]+|Z)+")
_DISC = re.compile(r"M(-?[\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0")
_ABSOLUTE = {"M": 2, "L": 2, "A": 7}
_RELATIVE = "hvlZz"
_NO_COLOUR = frozenset({None, "none", "transparent"})


def make(root: ET.Element) -> None:
    """Shortens everything below ``root`` without changing what is seen."""
    for element in root.iter():
        element.attrib = {name: value for name, value in element.attrib.items() if _DEFAULTS.get(name) != value}
        if element.tag == "line":
            _line_to_path(element)
        elif element.tag == "path":
            _disc_to_dot(element)
        elif element.tag == "text":
            _translation_to_place(element)
    _shorten(root)


def _shorten(parent: ET.Element) -> None:
    if parent.tag == "clipPath":
        return
    for child in parent:
        _shorten(child)
    parent[:] = [kept for child in parent for kept in _kept(child)]
    parent[:] = [one for _, alike in groupby(parent, key=_alike) for one in _joined(list(alike))]
    for child in parent:
        if child.tag == "path" and _POLYLINE.fullmatch(child.get("d", "")):
            child.set("d", _stepped(child.get("d", "")))
    if parent.tag == "g":
        _share(parent)


def _kept(child: ET.Element) -> Iterator[ET.Element]:
    """``child``, or what is left of it: nothing of an empty group or an unseen path, the contents of a group that says nothing."""
    if child.tag == "g" and not child.attrib:
        yield from child
    elif not ((child.tag in {"g", "defs"} and len(child) == 0) or (child.tag == "path" and _unseen(child))):
        yield child


def _unseen(path: ET.Element) -> bool:
    return path.get("d") in {None, "", "M0,0h0v0h0Z"} or all(path.get(name) in _NO_COLOUR for name in ("fill", "stroke"))


def _alike(element: ET.Element) -> tuple[object, ...]:
    """What two neighbours must share to be one path; no two others share anything."""
    attributes = element.attrib
    if element.tag != "path" or {"opacity", "fill-opacity", "stroke-opacity", "clip-path", "id"} & attributes.keys():
        return (id(element),)
    return tuple(sorted((name, value) for name, value in attributes.items() if name not in {"d", "transform"}))


def _joined(alike: list[ET.Element]) -> list[ET.Element]:
    moved = [_moved(element) for element in alike]
    if len(alike) == 1 or None in moved:
        return alike
    whole = ET.Element("path", {name: value for name, value in alike[0].attrib.items() if name != "transform"})
    whole.set("d", "".join(filter(None, moved)))
    return [whole]


def _moved(path: ET.Element) -> str | None:
    """The path where its translation puts it; None of one that is turned, scaled or made of other commands than points and symbols are."""
    d, transform = path.get("d", ""), path.get("transform")
    if transform is None:
        return d
    translated = _TRANSLATED.fullmatch(transform)
    commands = _COMMAND.findall(d)
    if translated is None or any(name not in _ABSOLUTE and name not in _RELATIVE for name, _ in commands):
        return None
    across, down = float(translated[1]), float(translated[2])
    return "".join(name + (_shifted(values, _ABSOLUTE[name], across, down) if name in _ABSOLUTE else values) for name, values in commands)


def _shifted(values: str, size: int, across: float, down: float) -> str:
    """The last two of every ``size`` values, which are a place, moved."""
    numbers = [float(value) for value in _VALUE.findall(values)]
    for place in range(size - 2, len(numbers), size):
        numbers[place] += across
        numbers[place + 1] += down
    return ",".join(f"{number:.1f}".removesuffix(".0") for number in numbers)


def _stepped(d: str) -> str:
    """A line of many corners, each said by its distance from the last in tenths: what is rounded does not add up."""
    parts, x, y = [], 0, 0
    begun = (0, 0)
    for name, values in _COMMAND.findall(d):
        if name == "Z":
            parts.append("Z")
            x, y = begun
            continue
        to_x, to_y = (round(10 * float(value)) for value in values.split(","))
        across, down = to_x - x, to_y - y
        if name == "M":
            parts.append(f"M{_tenths(to_x)},{_tenths(to_y)}")
            begun = to_x, to_y
        elif across and down:
            parts.append(f"l{_tenths(across)},{_tenths(down)}")
        elif across or down:
            parts.append(f"h{_tenths(across)}" if across else f"v{_tenths(down)}")
        x, y = to_x, to_y
    return "".join(parts)


def _tenths(count: int) -> str:
    whole, part = divmod(abs(count), 10)
    return f"{'-' if count < 0 else ''}{whole or ''}.{part}" if part else f"{count // 10}"


def _share(group: ET.Element) -> None:
    """Attributes that all of ``group``'s contents have alike are the group's."""
    for name in _INHERITED:
        values = {child.get(name) for child in group}
        if len(values) == 1 and len(group) > 1 and None not in values:
            group.set(name, str(values.pop()))
            for child in group:
                del child.attrib[name]


def _line_to_path(line: ET.Element) -> None:
    line.tag = "path"
    across, down = (line.attrib.pop(name, "0") for name in ("x2", "y2"))
    move = f"h{across}" if down == "0" else f"v{down}" if across == "0" else f"l{across},{down}"
    line.set("d", f"M0,0{move}")


def _disc_to_dot(path: ET.Element) -> None:
    """A full circle of one colour is the end of a line of no length."""
    disc, colour = _DISC.fullmatch(path.get("d", "")), path.get("fill", "none")
    if disc and colour == path.get("stroke") != "none":
        path.attrib.pop("fill")
        path.attrib.update({"d": "M0,0h0", "stroke-linecap": "round", "stroke-width": f"{2 * float(disc[1]) + float(path.get('stroke-width', '1')):.1f}"})


def _translation_to_place(text: ET.Element) -> None:
    translated = _TRANSLATED.fullmatch(text.get("transform", ""))
    if translated:
        del text.attrib["transform"]
        text.attrib = {"x": translated[1], "y": translated[2], **text.attrib}
