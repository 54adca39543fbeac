"""Reads a page as a browser would: a tree of elements, and what is said in one language."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "link", "img", "hr", "base", "area", "col", "embed", "source", "track", "wbr"}


@dataclass
class Element:
    """One element; its children are elements and strings."""

    tag: str
    facts: dict = field(default_factory=dict)
    children: list = field(default_factory=list)

    def all(self, tag=None, **facts):
        """Every element below with this tag and these attributes (``cls`` is one of its classes)."""
        for child in self.children:
            if isinstance(child, Element):
                if (tag is None or child.tag == tag) and all(_has(child, name, value) for name, value in facts.items()):
                    yield child
                yield from child.all(tag, **facts)

    def one(self, tag=None, **facts):
        """The only such element."""
        found = list(self.all(tag, **facts))
        assert len(found) == 1, (tag, facts, len(found))
        return found[0]

    def says(self, lang=None):
        """Its text, of both languages or of one."""
        other = {"en": "zh", "zh": "en"}.get(lang)
        parts = [child if isinstance(child, str) else child.says(lang) for child in self.children
                 if isinstance(child, str) or other is None or not _has(child, "cls", other)]
        return "".join(parts)

    def words(self, lang=None):
        """Its text with single spaces."""
        return " ".join(self.says(lang).split())


def _has(element, name, value):
    if name == "cls":
        return value in (element.facts.get("class") or "").split()
    return element.facts.get(name.rstrip("_").replace("_", "-")) == value


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self.open = [self.root]
        self.wrong = []

    def handle_starttag(self, tag, attrs):
        if len({name for name, _ in attrs}) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        if self.open[-1].tag == tag:
            self.open.pop()
        else:
            self.wrong.append(f"</{tag}> closes <{self.open[-1].tag}>")

    def handle_data(self, data):
        self.open[-1].children.append(data)

    def handle_comment(self, data):
        self.wrong.append(f"comment {data[:40]}")


def read(text):
    """The tree of a page; every element must be closed where it was opened."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.wrong == []
    assert [element.tag for element in reader.open] == [""]
    return reader.root
