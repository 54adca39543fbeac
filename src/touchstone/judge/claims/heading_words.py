"""What headings are made of, in Chinese and English: words, and the figures that words make together.

The names are those that vLLM, SGLang, guidellm, aiperf, evalscope, AISBench, MindIE, genai-bench and llama-bench print, and articles write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from touchstone.claim import FIGURE_UNITS
from touchstone.message import Message, say

WORDS: Mapping[str, str] = {
    "first": "首|首个|首次|第一个|first|1st",
    "next": "非首|非首个|非首次|增量|non-first|non first|next",
    "between": "间|inter|between",
    "each": "每|每个|单|单个|per",
    "token": "token|tokens|tok|toks|词元",
    "latency": "延迟|时延|延时|latency|latencies|lat|delay",
    "time": "时间|time",
    "elapsed": "耗时|用时|elapsed|elapsed time",
    "throughput": "吞吐量|吞吐率|吞吐|throughput|thpt|tput",
    "speed": "速度|speed",
    "rate": "速率|rate",
    "input": "输入|提示词|input|inputs|prompt",
    "prefill": "预填充|prefill",
    "output": "输出|生成|output|outputs|generated|generation|generate|completion|gen|out",
    "decode": "解码|decode|decoding",
    "length": "长度|length|lengths|len",
    "seq": "序列|sequence|seq",
    "count": "数|数量|个数|总数|总量|number of|number|num|count|#",
    "total": "总|总计|总体|整体|系统|total|overall|tot|aggregate|system|server|of server",
    "request": "请求|request|requests|req|reqs|prompts|queries",
    "one": "单请求|每请求|每个请求|单个请求|单并发|每并发|单路|每路|单流|per request|per req|per stream|per concurrency",
    "one user": "单用户|每用户|每个用户|per user",
    "user": "用户|user|users",
    "concurrent": "并发|并发量|并发度|concurrency|concurrent|conc|parallel",
    "batch": "批量|批量大小|批大小|批次大小|批处理大小|批尺寸|batch|batch size|batchsize|bs|bsz",
    "success": "成功|successful|succeed|success|completed",
    "memory": "显存|memory|mem|vram|hbm",
    "used": "占用|占用量|使用|使用量|用量|消耗|usage|used|allocated|footprint",
    "capacity": "容量|大小|capacity|size",
    "weights": "权重|模型权重|weight|weights|model weights",
    "kv": "kv|kv cache|kvcache|kv缓存|kv 缓存",
    "device": "gpu|npu|设备|device|devices|卡|芯片|加速卡|显卡|chip|card|accelerator",
    "fraction": "比例|fraction|fraction static|utilization|util",
    "e2e": "端到端|整体响应|e2e|end-to-end|end to end",
    "arrival": "到达|arrival|traffic|configured|发送",
    "duration": "测试时长|压测时长|持续时间|测试持续时间|benchmark duration|duration|time taken for tests|运行时长",
    "repeat": "测试次数|重复次数|运行次数|迭代次数|runs|repeats|num runs|iterations",
    "first latency": "ttft|ttfts|首字|首词|首词元|首包",
    "next latency": "tpot|tpots",
    "between latency": "itl|itls|tbt|tbot",
    "e2e latency": "e2el|响应时间|response time",
    "input length": "isl",
    "output length": "osl",
    "decode one speed": "interactivity",
    "tp": "tp|tp size|张量并行|张量并行度",
    "input seq": "in seq|in length|in len",
    "input token": "in tokens|in toks",
    "output token": "new token|new tokens",
    "persecond": "每秒|per second",
    "device count": "卡数|gpus|npus|devices|#gpu|#npu|gpu num|npu num",
}
"""Atoms → the words that mean them, split at ``|``. A word that means two things at once has both atoms."""

FILLERS = "的|值|of|the|value|values|推理|inference|to|越低越好|越小越好|越高越好|越大越好|lower is better|higher is better"
"""Words that change nothing."""

STATISTIC_WORDS: Mapping[str, str] = {
    "mean": "平均|平均值|均值|平均数|average|avg|avg.|mean", "p50": "中位数|中位|中值|median|med", "max": "最大|最大值|最高|最高值|峰值|maximum|max|peak",
    "min": "最小|最小值|最低|最低值|最短|minimum|min", "std": "标准差|标准偏差|std|stdev|stddev|std dev|std. dev|sd|standard deviation",
    "var": "方差|variance|var", "range": "极差|range",
}
"""Statistics but for quantiles, which are written with digits."""

_LOADED = frozenset({"batch_size", "concurrency", "requests", "request_rate"})
_RATES = frozenset({"throughput", "output_throughput", "total_throughput"})
RESULTS = frozenset({"ttft", "tpot", "itl", "e2e", "decode_speed", "user_throughput", "prompt_throughput", "request_throughput"}) | _RATES
SYSTEM_RATES = _RATES | {"prompt_throughput", "request_throughput"}
MEMORY = frozenset({"peak_memory", "weight_memory", "kv_memory"})
"""Results: times and rates, which have statistics, of them the rates of a whole system, and memory, which has no statistics."""


@dataclass(frozen=True)
class Rule:
    """Words that together mean ``figure``. ``needs``: at least one of these figures is in the same table; ``unless``: none of these is.

    ``assumption`` is what has to be said where the words alone are not certain. ``uneven``: only where a number of the column has
    decimals, or only where none has.
    """

    figure: str
    assumption: Message | None = None
    needs: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    uneven: bool | None = None

    def allows(self, others: frozenset[str]) -> bool:
        """Whether the figures ``others`` of the same table let it be."""
        return not self.unless & others and (not self.needs or bool(self.needs & others))


_LIMIT = say("A limit of output tokens is read as the length of every answer.")
WHOLE = say("A latency that does not say of what is read as the time of a whole request.")
_ONE_STREAM = say("A speed without a batch or a concurrency beside it is read as that of one request, first token included.")
_TOKENS = say("An input or output that does not say of what is read as its length in tokens.")
_PEAK = say("A use of memory that does not say when is read as its peak.")
_TABLE: tuple[tuple[str, Rule], ...] = (
    # conditions
    ("batch", Rule("batch_size")),
    ("concurrent user? request? count?", Rule("concurrency")),
    ("max concurrent user? request? count?", Rule("concurrency")),
    ("input token? seq? length|count one?", Rule("input_tokens")),
    ("input token one?", Rule("input_tokens")),
    ("input seq", Rule("input_tokens")),
    ("output token? seq? length|count one?", Rule("output_tokens")),
    ("output token one?", Rule("output_tokens")),
    ("output seq", Rule("output_tokens")),
    ("input", Rule("input_tokens", needs=frozenset({"output_tokens"}), uneven=False, assumption=_TOKENS)),
    ("output", Rule("output_tokens", uneven=False, assumption=_TOKENS)),
    ("max output token length?|count?", Rule("output_tokens", assumption=_LIMIT)),
    ("max output length", Rule("output_tokens", assumption=_LIMIT)),
    ("seq length", Rule("output_tokens", unless=frozenset({"input_tokens", "output_tokens"}), assumption=say(
        "A sequence length without input and output beside it is read as the output length."))),
    ("input length", Rule("prompt_bytes")),
    ("input length", Rule("prompt_words")),
    ("total? request count", Rule("requests")),
    ("total request", Rule("requests")),
    ("success request count?", Rule("requests")),
    ("success count", Rule("requests")),
    ("duration", Rule("duration")),
    ("total elapsed|time", Rule("duration", needs=frozenset({"requests", "concurrency", "request_rate"}))),
    ("request? arrival? rate", Rule("request_rate")),
    ("repeat", Rule("runs")),
    ("device count", Rule("devices")),
    ("device", Rule("devices", unless=frozenset({"devices"}), uneven=False)),
    ("tp", Rule("devices", unless=frozenset({"devices"}), assumption=say(
        "The degree of tensor parallelism is read as the number of devices."))),
    ("device? memory capacity", Rule("device_memory")),
    ("device? memory fraction", Rule("memory_fraction")),
    # times
    ("first token? latency|time|elapsed", Rule("ttft")),
    ("next each? token? output? latency|time|elapsed", Rule("tpot")),
    ("each output token latency|time|elapsed", Rule("tpot")),
    ("each decode? token latency|time|elapsed", Rule("tpot", assumption=say(
        "A time per token is read as TPOT: the first token's time is not in it."))),
    ("between output? token? latency|time", Rule("itl")),
    ("e2e total? request? latency|time|elapsed?", Rule("e2e")),
    ("request latency", Rule("e2e")),
    ("total latency", Rule("e2e")),
    ("latency", Rule("e2e", assumption=WHOLE)),
    ("total elapsed|time", Rule("e2e", unless=_LOADED - {"batch_size"}, assumption=WHOLE)),
    ("elapsed", Rule("e2e", unless=_LOADED - {"batch_size"}, assumption=WHOLE)),
    # rates
    ("decode one user? token? speed|rate|throughput", Rule("decode_speed")),
    ("decode token? speed|rate", Rule("decode_speed", needs=_RATES, assumption=say(
        "A decode speed beside a throughput is read as that of one request."))),
    ("decode token? speed|rate", Rule("decode_speed", unless=_LOADED, assumption=say(
        "A decode speed without a batch or a concurrency beside it is read as that of one request."))),
    ("decode token? total? throughput", Rule("output_throughput", unless=frozenset({"ttft", "e2e"}), assumption=say(
        "A decode throughput is read as that of all output tokens."))),
    ("one user output token throughput", Rule("decode_speed", assumption=say(
        "Output tokens per second per user are read as aiperf defines them: the decode speed of one request."))),
    ("one output? token? speed|rate|throughput", Rule("user_throughput")),
    ("one user token? speed|rate|throughput", Rule("user_throughput", assumption=say(
        "The speed of one user is read with the first token's time in it."))),
    ("output? token? speed|rate", Rule("user_throughput", unless=_LOADED, assumption=_ONE_STREAM)),
    ("total? output token? throughput", Rule("output_throughput")),
    ("total? input token? throughput", Rule("prompt_throughput")),
    ("prefill token? throughput|speed|rate", Rule("prompt_throughput", unless=frozenset({"request_throughput"}))),
    ("total token throughput", Rule("total_throughput")),
    ("total? input output token? throughput", Rule("total_throughput")),
    ("e2e? token? throughput", Rule("throughput")),
    ("total e2e? throughput", Rule("throughput")),
    ("total? request throughput", Rule("request_throughput")),
    ("total? throughput", Rule("request_throughput")),
    ("qps", Rule("request_throughput", uneven=True, assumption=say(
        "Requests per second with decimals are read as what was served, not as what was offered."))),
    ("qps", Rule("request_rate", uneven=False, assumption=say(
        "Requests per second without decimals are read as what was offered."))),
    # memory
    ("max device? memory used?", Rule("peak_memory")),
    ("device? memory used", Rule("peak_memory", assumption=_PEAK)),
    ("device? memory", Rule("peak_memory", needs=RESULTS, assumption=_PEAK)),
    ("weights memory used?", Rule("weight_memory")),
    ("kv memory used?", Rule("kv_memory")),
)


def _atoms(pattern: str) -> Iterator[frozenset[str]]:
    """Every set of atoms that ``pattern`` stands for: ``a|b`` is one of them, ``a?`` is a or nothing."""
    choices = [[word.rstrip("?") for word in group.split("|")] + ([""] if "?" in group else []) for group in pattern.split()]
    for chosen in product(*choices):
        yield frozenset(chosen) - {""}


def _rules() -> dict[frozenset[str], tuple[Rule, ...]]:
    rules: dict[frozenset[str], tuple[Rule, ...]] = {}
    for pattern, rule in _TABLE:
        assert rule.figure in FIGURE_UNITS, rule.figure
        for atoms in _atoms(pattern):
            if rule not in rules.get(atoms, ()):
                rules[atoms] = (*rules.get(atoms, ()), rule)
    return rules


RULES: Mapping[frozenset[str], tuple[Rule, ...]] = _rules()
"""Words of a heading → what they may mean, the first that the rest of the table allows."""
