"""What a reader sees, hears and reaches on a page that is open in a browser, as lists that a test can judge."""

from __future__ import annotations

from typing import Any

_TEXTS = """(contrasts) => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
    const known = new Map();
    const rgba = (colour) => {
        if (!known.has(colour)) {
            pen.clearRect(0, 0, 1, 1);
            pen.fillStyle = colour;
            pen.fillRect(0, 0, 1, 1);
            const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
            known.set(colour, [red, green, blue, alpha / 255]);
        }
        return known.get(colour);
    };
    const over = (top, below) => [0, 1, 2].map((place) => top[place] * top[3] + below[place] * (1 - top[3])).concat(1);
    const ground = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
    };
    const painted = (element) => {  // what of a picture lies under a text of it
        element.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
        const box = element.getBoundingClientRect(), svg = element.ownerSVGElement;
        const under = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2)
            .filter((shape) => shape.ownerSVGElement === svg && shape.tagName !== 'text' && shape.tagName !== 'tspan').reverse();
        return under.reduce((below, shape) => {
            const style = getComputedStyle(shape), fill = style.fill === 'none' ? [0, 0, 0, 0] : rgba(style.fill);
            return over([...fill.slice(0, 3), fill[3] * style.fillOpacity * style.opacity], below);
        }, ground(svg));
    };
    const light = (colour) => colour.slice(0, 3).map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement, text = node.data.trim();
        if (!text || ['SCRIPT', 'STYLE', 'TEMPLATE', 'title', 'desc'].includes(element.tagName) || !element.checkVisibility()) continue;
        const style = getComputedStyle(element), drawn = element instanceof SVGElement;
        const below = !contrasts ? [0, 0, 0, 1] : drawn ? painted(element) : ground(element), ink = over(rgba(drawn ? style.fill : style.color), below);
        const [high, low] = [light(ink), light(below)].sort((one, other) => other - one);
        found.push({text, contrast: contrasts ? (high + 0.05) / (low + 0.05) : null, unseen: !!element.closest('.unseen'), drawn,
                    data: !!element.closest('code, pre, .name, h1, textarea, .what .box, #metrics td, #facts td, #facts th, #produced td'),
                    where: element.closest('figure, section, [id]')?.id ?? ''});
    }
    return found;
}"""

_STOP = """() => {
    const at = document.activeElement, holder = at.matches('input') && at.closest('label') || at, style = getComputedStyle(holder);
    return {tag: at.tagName, name: at.name ?? '', id: at.id, kind: at.className.toString(), href: at.getAttribute('href') ?? '', deed: at.dataset.do ?? '',
            role: at.getAttribute('role') ?? '',
            seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 && holder.getClientRects().length > 0};
}"""

_CUT = """(selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility())
    .filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
    .map((one) => `${one.className} ${one.textContent.trim()} ${one.scrollWidth}>${one.clientWidth} ${one.scrollHeight}>${one.clientHeight}`)"""


def unfold(page: Any) -> None:
    """Open everything that is folded, but for the definitions that would cover something."""
    page.evaluate("document.querySelectorAll('details:not(.what)').forEach((one) => { one.open = true; })")


def texts(page: Any) -> list[dict[str, Any]]:
    """Every visible text: whether it is ``data`` (names, code, facts) or ``drawn`` in a picture, whether it is for ears only, and where it is."""
    return page.evaluate(_TEXTS, False)


def faint(page: Any) -> set[tuple[str, str, float]]:
    """The visible texts whose contrast with what lies under them (WCAG 2.2) is below 4.5: where, which, and how much it is."""
    found = [text for text in page.evaluate(_TEXTS, True) if not text["unseen"]]
    assert found
    return {(text["where"], text["text"][:60], round(text["contrast"], 2)) for text in found if text["contrast"] < 4.495}


def stops(page: Any, most: int = 400) -> list[dict[str, Any]]:
    """Where the focus goes by Tab from the beginning of the page until it leaves; ``seen`` is whether its place has an outline."""
    found: list[dict[str, Any]] = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        if stop["tag"] == "BODY":
            break
        found.append(stop)
    return found


def cut(page: Any, selector: str) -> list[str]:
    """Elements with more in them than they show."""
    return page.evaluate(_CUT, selector)


def boxes(page: Any, selector: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each visible element, in pixels of the window."""
    return [tuple(box) for box in page.evaluate("""(selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility())
        .map((one) => one.getBoundingClientRect()).filter((box) => box.width).map((box) => [box.left, box.top, box.right, box.bottom])""", selector)]


def overlapping(found: list[tuple[float, float, float, float]]) -> list[tuple[Any, Any]]:
    """The pairs of boxes that share more than half a pixel."""
    return [(one, other) for place, one in enumerate(found) for other in found[place + 1:]
            if min(one[2], other[2]) - max(one[0], other[0]) > 0.5 and min(one[3], other[3]) - max(one[1], other[1]) > 0.5]


def heard(page: Any) -> list[dict[str, str]]:
    """What a screen reader is told, in order: role and name of every node that is not left out."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    return [{"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")} for node in nodes if not node["ignored"] and "role" in node]
