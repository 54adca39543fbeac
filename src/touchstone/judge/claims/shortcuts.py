"""Words for what makes honest numbers look impossible: speculative decoding, and prompts that came from a cache."""

from __future__ import annotations

import re
from itertools import islice

SPECULATION, PREFIX_CACHE = "speculation", "prefix_cache"
ACCEPTED_AT_MOST = 8.0
"""Tokens per step where speculative decoding is named and not how much of it is accepted: more than any published mean."""
_MOST_MENTIONS = 1000
_NAMED = {
    SPECULATION: re.compile(r"\b(?:mtp\d?|eagle[- ]?\d?|medusa|hydra|lookahead|n-?gram|speculat\w*|spec[-_. ]{0,2}dec\w*|draft|accept\w* (?:len\w*|rate|tokens)|"
                            r"multi-token prediction)\b|投机|推测解码|推测采样|猜测解码|接受(?:率|长度)|多token预测", re.IGNORECASE | re.ASCII),
    PREFIX_CACHE: re.compile(r"prefix[-_ ]?cach|prompt[-_ ]?cach|context[-_ ]?cach|cache[-_ ]?hit|hit[-_ ]?rate|\bapc\b|radix|cached|kv ?cache ?reuse|lmcache|multi-?turn"
                             r"|前缀(?:缓存|复用|命中)|缓存命中|命中率|kv ?cache ?复用|多轮", re.IGNORECASE | re.ASCII),
}
_BEFORE = re.compile(r"(?:无|不使用|不用|不开启?|没有|未开启?|未启用|关闭?|禁用|without|w/o|\bno|\bnon|disabled?|\boff)[ :=_-]{0,2}$", re.IGNORECASE)
_AFTER = re.compile(r"\w{0,6}[ :=_()（-]{0,3}(?:off\b|关|禁用|未开|未启|disabled|false|no\b|none\b)", re.IGNORECASE)
_NO = re.compile(r"\s*(?:off|no|none|false|disabled?|without|w/o|n|0(?:\.0*)?\s*%?|-+|—|/|×|✗|✘|❌|无|否|关|关闭|未开启?|未启用|不开启?|不用|禁用|)\s*", re.IGNORECASE)


def names(shortcut: str, text: str) -> bool:
    """Whether ``text`` says that the shortcut was taken, and not that it was switched off."""
    return any(not _BEFORE.search(text[max(0, found.start() - 12):found.start()]) and not _AFTER.match(text, found.end())
               for found in islice(_NAMED[shortcut].finditer(text), _MOST_MENTIONS))


def headed(heading: str) -> str | None:
    """The shortcut that a column's heading asks about, if any."""
    return next((shortcut for shortcut, pattern in _NAMED.items() if pattern.search(heading)), None)


def is_no(cell: str) -> bool:
    """Whether a cell under such a heading says that the shortcut was not taken."""
    return _NO.fullmatch(cell[:40]) is not None
