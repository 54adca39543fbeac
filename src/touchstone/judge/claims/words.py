"""How a cell looks, as far as the shape of a table tells: a figure, nothing, a name of a metric, of a condition, of a statistic."""

from __future__ import annotations

import re

_UNIT = (r"%|‰|x|倍|[mµun]?s|ms/tok\w*|秒|毫秒|微秒|分钟?|小时|k|万|亿|[KMGT](?:i?B)?|(?:tok(?:en)?s?|req(?:uest)?s?|t|次|个|条)"
         r"(?:\s?/\s?\S{1,16})?|W|°C|张|卡")
_NUMBER = r"[0-9０-９][0-9０-９,.'\s]{0,40}"
_FIGURE = re.compile(rf"[~≈≃约<>≤≥=+\-−–±\s]{{0,6}}{_NUMBER}(?:e[+-]?\d{{1,4}})?(?:{_UNIT})?"
                     rf"(?:\s?[±~～–—\-/]\s?{_NUMBER}(?:{_UNIT})?|\s?[×x*]\s?10\S{{1,6}}|\s?[(（].{{0,200}})?\s?", re.IGNORECASE)
_MISSING = {"", "-", "--", "—", "–", "/", "\\", "×", "✗", "n/a", "na", "nan", "none", "null", "oom", "nil", "无", "未测", "暂无", "不适用", "未测试", "失败"}
_RESULT = re.compile(r"ttft|first ?token|decode ?time|generate ?time|tpot|\bitl\b|\be2e|latenc|throughput|\b[qrt]ps\b|tok\w*\s?/\s?s|\bt/s|req\w*\s?/\s?s|memory|speed|goodput"
                     r"|延迟|时延|吞吐|显存|内存|速度|速率|耗时|首字|首包|首\s?token|每\s?token", re.IGNORECASE)
_LOAD = re.compile(r"batch|\bbs\b|concurren|并发|批|\b[io]sl\b|input|output|prompt|length|\blen\b|输入|输出|生成长度|长度|请求数|requests?",
                   re.IGNORECASE)
_SETTING = re.compile(r"model|模型|engine|引擎|框架|framework|backend|后端|hardware|硬件|设备|device|gpu|npu|chip|芯片|平台|platform|precision"
                      r"|精度|dtype|quant|量化|场景|scenario|\bcase\b|dataset|数据集|测试项|用例|workload|负载|配置|config|版本|version",
                      re.IGNORECASE)
_SUB = re.compile(r"[(（\[]?(?:p\s?\d{1,2}(?:\.\d)?|\d{1,2}(?:th|%)|mean|avg|average|min|max|minimum|maximum|median|std|stddev|平均值?|均值"
                  rf"|最大值?|最小值?|中位数?|标准差|方差|极差|范围|{_UNIT})[)）\]]?", re.IGNORECASE)
_NAMES = {"", "指标", "性能指标", "指标项", "指标名称", "参数", "参数项", "项目", "名称", "测试指标", "metric", "metrics", "name", "key", "item",
          "parameter", "field", "measure", "统计项", "测试项", "测试项目", "配置项", "字段", "属性", "类别"}
_VALUES = {"值", "数值", "结果", "数据", "测试结果", "实测值", "实测", "实测结果", "取值", "详情", "内容", "测试值", "value", "values", "result", "results",
           "measured", "measurement", "数值结果", "平均值", "均值"}
_UNITS = {"单位", "unit", "units"}
_REMARKS = {"说明", "备注", "描述", "解读", "含义", "评价", "note", "notes", "remark", "remarks", "comment", "comments", "description", "分析", "测试目的"}


def is_figure(cell: str) -> bool:
    """Whether the cell is a number, perhaps with a sign, a unit and a remark."""
    return _FIGURE.fullmatch(cell[:300]) is not None


def is_missing(cell: str) -> bool:
    """Whether the cell says that there is no value."""
    return len(cell) < 8 and cell.strip().lower() in _MISSING


def is_result(cell: str) -> bool:
    """Whether the cell names something that is measured."""
    return _RESULT.search(cell[:300]) is not None


def is_metric(cell: str) -> bool:
    """Whether the cell names something measured or a number that a load is described by."""
    return is_result(cell) or _LOAD.search(cell[:300]) is not None


def is_condition(cell: str) -> bool:
    """Whether the cell names a setting or a load: what a row was measured under."""
    return not is_result(cell) and (_SETTING.search(cell[:300]) or _LOAD.search(cell[:300])) is not None


def is_sub_heading(cell: str) -> bool:
    """Whether the cell is a statistic or a unit and no more: the second line of a heading."""
    return _SUB.fullmatch(cell[:40]) is not None


def heads_names(cell: str) -> bool:
    """Whether this heading stands over names of metrics."""
    return cell.strip().lower() in _NAMES


def heads_values(cell: str) -> bool:
    """Whether this heading stands over values of no case in particular."""
    return cell.strip().lower() in _VALUES


def heads_units(cell: str) -> bool:
    """Whether this heading stands over units."""
    return cell.strip().lower() in _UNITS


def heads_remarks(cell: str) -> bool:
    """Whether this heading stands over remarks."""
    return cell.strip().lower() in _REMARKS
