"""The sentences that other layers write into a study, in Chinese: reasons, notes and facts.

They are recorded in English, as they were said. A template matches a whole sentence; what stands in
its places is the user's, and stays, but for the places in `TOLD`, which hold a sentence again.
"""

from __future__ import annotations

import itertools
import re
from functools import cache

from tunewright.reporting.words import WORDS, Language

TOLD = {"why", "arm", "outcome", "task", "what", "thing", "first"}  # known words, or it is no match
FREE = {"detail"}  # what was printed, or a sentence of ours
_NUMBER = r"[-+]?[\d.,]+%?"
HOLDS = {
    **dict.fromkeys(("n", "m", "k", "all", "least", "count", "runs", "count2", "runs2"), _NUMBER),
    **dict.fromkeys(("why", "detail", "text", "place", "cells"), ".+"),
    "program": r"(?:(?!: |; ).)+?",
}

SENTENCES: dict[str, str] = {
    # Why a study ended as it did
    "the search found nothing better than the baseline": "搜索未找到优于基线的配置",
    "the search found nothing better than the baseline within the constraints; nearest miss: {name} = {value} where {bound} asks for {limit}":
        "搜索未找到满足约束且优于基线的配置；最接近者：{name} = {value}，而 {bound} 要求 {limit}",
    "the budget was over before the baseline was measured; give a larger one": "基线测完之前预算已用尽；请加大预算",
    "the budget ended before anything could be verified": "预算在验证之前已用尽",
    "the baseline failed ({why})": "基线运行失败（{why}）",
    "the {arm} ended as {outcome}: {detail}": "{arm}的结局为“{outcome}”：{detail}",
    "{count} of {runs} runs of the baseline and {count2} of {runs2} runs of the candidate failed ({why})":
        "基线 {runs} 次运行中 {count} 次失败，候选 {runs2} 次运行中 {count2} 次失败（{why}）",
    "{name} breaks its constraint": "{name} 违反约束",
    "{name} is not better": "{name} 没有变好",
    "{name} is better": "{name} 变好",
    "{name} is worse by more than its margin": "{name} 变差超过其容许量",
    "handed over is what keeps every bound as the search measured it": "交付的是搜索测得满足所有界限的配置",
    "nothing was asked: the runs were only measured": "未提出要求：只作了测量",
    "everything that was asked for holds": "所有要求均成立",
    "not enough evidence on {name}": "{name} 证据不足",
    "the outputs of the two differ": "两者的输出不同",
    "the outputs vary from run to run, so they cannot be compared": "输出逐次不同，无法比较",
    "not enough evidence on the outputs": "关于输出的证据不足",
    # Why nothing more can be said of a metric
    "not measured": "未测得",
    "declared to be fixed, but its runs gave different values": "声明为固定值，但各次运行的值不同",
    "no pair of runs ended well": "没有一对运行正常结束",
    "the refits had not ended when the time was over": "时间用尽时重新训练尚未结束",
    "the {arm} had not ended when the time was over": "时间用尽时{arm}尚未结束",
    "a larger budget gives more": "加大预算可得更多",
    "every run took equally long: the clock is too coarse for it": "每次运行用时相同：时钟精度不足",
    "every pair changed alike, which proves nothing": "每一对的变化都相同，什么也不能证明",
    "is the metric's evidence 'fixed'?": "该指标是否应声明为 fixed？",
    "{n} pairs that changed alike are too few": "变化相同的 {n} 对太少",
    "held against the saved baseline at the end": "结束时与已保存的基线对比",
    "not in the saved baseline": "已保存的基线中没有",
    "at least {n} runs on both days are needed": "两日均至少需要 {n} 次运行",
    "missing in {n} of {all} pairs": "{all} 对中有 {n} 对缺失",
    "some values are not finite": "有些值不是有限数",
    "some values are 0, so there is no ratio": "有些值为 0，故无比值",
    "{n} of at least {least} pairs": "至少需要 {least} 对，现有 {n} 对",
    "{n} values a run are needed to know this quantile": "要知道该分位数，每次运行需要 {n} 个值",
    "got {n}": "得到 {n} 个",
    "its tests by ranks and by means disagree: odd values": "秩检验与均值检验不一致：有异常值",
    "{n} rows of the baseline, but {m} of the {what}": "基线有 {n} 行，而{what}有 {m} 行",
    "some values of the {what} are not finite": "{what}中有些值不是有限数",
    "{n} of at least {least} {what}": "至少需要 {least} {what}，现有 {n}",
    "a ratio needs positive values of both models": "比值要求两个模型的值均为正",
    "only one class among the rows": "这些行中只有一个类别",
    "only {n} rows of class {name}": "类别 {name} 只有 {n} 行",
    "only {n} groups with class {name}": "含类别 {name} 的组只有 {n} 个",
    "at least {n} are needed": "至少需要 {n}",
    # How a trial ended
    "{outcome}: {detail}": "{outcome}：{detail}",
    "the budget was over": "预算已用尽",
    "the driver that ran it is gone": "运行它的进程已不在",
    "the search had seen enough of it": "搜索已无须再看",
    "it ran longer than a trial may": "运行超过单次试验的时限",
    "it ran longer than {time} s, which is what a trial may": "运行超过单次试验的时限 {time} s",
    "{program} ran longer than {time} s, which is what a trial may": "{program} 运行超过单次试验的时限 {time} s",
    "{program} exited with status {n}: {detail}": "{program} 以状态 {n} 退出：{detail}",
    "{program} was killed ({signal}): {detail}": "{program} 被终止（{signal}）：{detail}",
    "{program} printed without end": "{program} 输出无休止",
    "write sh -c '… > /dev/null': {detail}": "请写成 sh -c '… > /dev/null'：{detail}",
    "cannot start {program}: {detail}": "无法启动 {program}：{detail}",
    "it printed nothing": "没有任何输出",
    "its output is not the baseline's: {detail}": "其输出与基线不同：{detail}",
    "its output varies from run to run: {detail}": "其输出逐次不同：{detail}",
    "standard error: {detail}": "标准错误：{detail}",
    "line {n} is {got}, not {text}": "第 {n} 行为 {got}，而非 {text}",
    "line {n} differs, and is no text": "第 {n} 行不同，且不是文本",
    "line {n} ends in another way": "第 {n} 行的行尾不同",
    "there is more than expected, from line {n} on: {text}": "比应有的多，自第 {n} 行起：{text}",
    "there is less than expected, from line {n} on: {text}": "比应有的少，自第 {n} 行起：{text}",
    "match {n} is {got}, not {text}": "第 {n} 处匹配为 {got}，而非 {text}",
    "there is more than expected, from match {n} on: {text}": "比应有的多，自第 {n} 处匹配起：{text}",
    "there is less than expected, from match {n} on: {text}": "比应有的少，自第 {n} 处匹配起：{text}",
    "say what of it must be the same: {text}": "请说明其中何者须相同：{text}",
    "more in {place}": "详见 {place}",
    "used {n} MiB": "用了 {n} MiB",
    "the limit is {n} MiB": "上限为 {n} MiB",
    "its worker process {pid} was {how}": "其工作进程 {pid} 已终止（{how}）",
    "a stage ran out of memory": "某个阶段内存不足",
    # What was understood of a table
    "{file}: {rows} rows, {columns} columns": "{file}：{rows} 行，{columns} 列",
    "{n} rows without a target": "{n} 行没有目标值",
    "{task}, positive class {name}": "{task}，正类为 {name}",
    "{task}, {n} classes": "{task}，{n} 个类别",
    "binary": "二分类",
    "multiclass": "多分类",
    "regression": "回归",
    "target {name}": "目标列 {name}",
    "asked for": "应要求",
    "groups the rows": "用作行的分组",
    "weighs the rows": "用作行的权重",
    "all missing": "全部缺失",
    "constant": "恒定不变",
    "bookkeeping: the row labels of a data frame": "簿记列：数据框的行标签",
    "identifier-like: {n} distinct texts in {rows} rows": "形似标识符：{rows} 行中有 {n} 种文本",
    "identifier-like: it numbers the rows": "形似标识符：它给各行编号",
    "identifier-like: it numbers the rows, with gaps": "形似标识符：它给各行编号（有间断）",
    "identifier-like: whole numbers, each once": "形似标识符：整数，各出现一次",
    "{type} is not supported": "不支持 {type} 类型",
    "{column}: {why}": "{column}：{why}",
    "{n} rows to learn from and to choose by, {k} untouched": "{n} 行用于学习和挑选，{k} 行留作验证",
    "by a hash of the data: {n} of the rows only for the verdict, the others in {m} folds to compare candidates":
        "按数据的哈希划分：{n} 的行只用于判定，其余分 {m} 折用于比较候选",
    "by a hash of the data: {n} of the rows only for the verdict, the others in {m} folds to compare candidates, dealt out {k} times":
        "按数据的哈希划分：{n} 的行只用于判定，其余分 {m} 折用于比较候选，共分 {k} 次",
    "by a hash of the data: {n} of the rows only for the verdict ({k} parts, each judged after learning from all others), the others in {m} folds to compare candidates":
        "按数据的哈希划分：{n} 的行只用于判定（分 {k} 份，每份都在学习其余各份之后评判），其余分 {m} 折用于比较候选",
    "by a hash of the data: {n} of the rows only for the verdict ({k} parts, each judged after learning from all others), the others in {m} folds to compare candidates, dealt out {j} times":
        "按数据的哈希划分：{n} 的行只用于判定（分 {k} 份，每份都在学习其余各份之后评判），其余分 {m} 折用于比较候选，共分 {j} 次",
    "by {name}: the latest {n} only for the verdict, the 20% before to compare candidates, what was earlier to learn from":
        "按 {name} 划分：最近的 {n} 只用于判定，其前的 20% 用于比较候选，更早的用于学习",
    "{file} only for the verdict, the others in {m} folds to compare candidates": "{file} 只用于判定，其余分 {m} 折用于比较候选",
    "{file} only for the verdict, the others in {m} folds to compare candidates, of which {k} will do":
        "{file} 只用于判定，其余分 {m} 折用于比较候选，用其中 {k} 折即可",
    "by a hash of the data: {n} of the rows only for the verdict, the others in {m} folds to compare candidates, of which {k} will do":
        "按数据的哈希划分：{n} 的行只用于判定，其余分 {m} 折用于比较候选，用其中 {k} 折即可",
    "{file} only for the verdict, the others in {m} folds to compare candidates, dealt out {k} times":
        "{file} 只用于判定，其余分 {m} 折用于比较候选，共分 {k} 次",
    "rows near by {name} are alike: {n} blocks of it are judged, not single rows":
        "按 {name} 相邻的行彼此相似：以其 {n} 个区段而非单行来判定",
    "equal rows stay together": "相同的行不拆开",
    "rows with the same {name} stay together": "{name} 相同的行不拆开",
    "the target is taken as a regression, since the goal names {name}": "目标列按回归处理，因为目标中提到 {name}",
    "the target is taken as classes, since the goal names {name}": "目标列按类别处理，因为目标中提到 {name}",
    "the target is taken as a regression, since {name} holds {n} different numbers": "目标列按回归处理，因为 {name} 有 {n} 个不同的数",
    "the target is taken as classes, since {name} holds only {n} different numbers": "目标列按类别处理，因为 {name} 只有 {n} 个不同的数",
    "--task multiclass takes them as classes": "用 --task multiclass 可按类别处理",
    "--task regression takes them as numbers": "用 --task regression 可按数值处理",
    "the rarer class {name} is taken as the positive one": "较少的类别 {name} 作为正类",
    "{n} rows whose {name} is infinite are left out": "{name} 为无穷的 {n} 行不予采用",
    "{n} rows whose weight {name} is 0 are left out": "权重 {name} 为 0 的 {n} 行不予采用",
    "{name} alone tells {n} of the answer": "仅 {name} 一列就说出了答案的 {n}",
    "{name} alone tells all of the answer": "仅 {name} 一列就说出了全部答案",
    "if it is not known before that, say --drop {name}": "若它在得知答案之前尚不可知，请用 --drop {name}",
    "a copy of {name}": "{name} 的副本",
    "{n} rows with equal features as very many others are learned from, and judge nothing: they say no more than a few rows do":
        "有 {n} 行与极多其他行特征相同，只用于学习而不用于评判：其信息量不过相当于少数几行",
    "{n} rows with the same {name} as very many others are learned from, and judge nothing: they say no more than a few rows do":
        "有 {n} 行与极多其他行的 {name} 相同，只用于学习而不用于评判：其信息量不过相当于少数几行",
    "{n} rows with equal features as rows of {file} are not learned from": "有 {n} 行与 {file} 中的行特征相同，不用于学习",
    "{n} rows with the same {name} as rows of {file} are not learned from": "有 {n} 行与 {file} 中的行 {name} 相同，不用于学习",
    "{n} lines that begin with # above the header are left out": "表头之上以 # 开头的 {n} 行不予读取",
    "in the test file {detail}": "测试文件中：{detail}",
    "{name} is read with the {first} first, as {cell} shows": "{name} 按先{first}读取，依据为 {cell}",
    "{name} is read with the {first} first, so that {cell} is {date}, and no cell of it proves that":
        "{name} 按先{first}读取，故 {cell} 为 {date}，但没有单元格能证明这一点",
    "where it is wrong, write dates as 2024-01-31": "若不对，请把日期写成 2024-01-31",
    "day": "日",
    "month": "月",
    "numbers of {name} such as {cell} are read as decimals": "{name} 中如 {cell} 的数按小数读取",
    "numbers of {name} such as {cell} are read as thousands": "{name} 中如 {cell} 的数按千位分隔读取",
    "--decimal {mark} reads them as thousands": "用 --decimal {mark} 可按千位分隔读取",
    "--decimal {mark} reads them as decimals": "用 --decimal {mark} 可按小数读取",
    "{name} holds whole numbers of too many digits for a number, and is read as codes": "{name} 的整数位数超出数值所能保存，按代码读取",
    "{name} holds whole numbers of too many digits, which are rounded": "{name} 的整数位数过多，已作舍入",
    "{name} is read as numbers, and words in it as missing: {cells}": "{name} 按数值读取，其中的词视为缺失：{cells}",
    "--types {kinds} keeps them": "用 --types {kinds} 可保留",
    "--types {kinds} keeps it": "用 --types {kinds} 可保留",
    "{n} limits in {name}, such as {cell}, are read as their numbers": "{name} 中有 {n} 个界限值（如 {cell}）按其数值读取",
    "few rows hold these classes of {name}: {cells}": "{name} 的下列类别行数很少：{cells}",
    "leave these rows out if they are no classes": "若它们不是类别，请去掉这些行",
    "these classes of {name} differ only in their spelling: {cells}": "{name} 的下列类别只有写法不同：{cells}",
    "write them alike if they are one": "若为同一类，请统一写法",
    "1 cell of {name} is no {thing} and counts as missing: {cells}": "{name} 有 1 个单元格不是{thing}，视为缺失：{cells}",
    "{n} cells of {name} are no {thing} and count as missing: {cells}": "{name} 有 {n} 个单元格不是{thing}，视为缺失：{cells}",
    "number": "数值",
    "boolean": "布尔值",
    "date": "日期",
    "time": "时刻",
    "category": "类别",
    "text": "文本",
    "{thing} ({n}): {names}": "{thing}（{n}）：{names}",
    "the text is no UTF-8 and is read as {name}": "文本不是 UTF-8，按 {name} 读取",
    "--encoding names another": "可用 --encoding 指定",
    "LightGBM's defaults through its own one-row predict: {values}": "LightGBM 默认配置，逐行预测：{values}",
    "the defaults of the family {name}: {values}": "模型族 {name} 的默认配置：{values}",
    "as asked: {values}": "按要求：{values}",
    "your estimator {name}, fitted on the same rows": "您的估计器 {name}，用相同的行训练",
    "every row is learned from, and none is left to judge on": "全部的行都用于学习，没有留下可供评判的行",
    "the bundle {path}": "模型包 {path}",
    "where it has learned from these rows, its quality is flattered": "若它学习过这些行，其质量会被高估",
    "learned from every row, after the verdict": "判定之后，用全部的行重新训练",
    "learned from all but the test rows, after the verdict": "判定之后，用测试行以外的全部行重新训练",
    "the very one that was verified": "即通过验证的那一个",
    "{few} of {n} columns: {names}": "{n} 列中的 {few} 列：{names}",
    "as the search left it, learned from its training rows alone": "搜索所得，仅用其训练行学习",
    "{n} earlier by studies of this data in this directory, so the error level of the first one here is {level} instead of {usual}":
        "本目录中对同一数据的研究此前已查看 {n} 次，故此处首次的显著性水平为 {level} 而非 {usual}",
    "{name}: margins from about {margin} on {n} untouched rows (modelled: two models as alike as is usual)":
        "{name}：在 {n} 行留作验证的数据上可证明约 {margin} 以上的容许量（按模型推算：两个模型的相似程度如常）",
    "{name}: margins from about {margin} on {n} untouched rows, {other} of them different (modelled: two models as alike as is usual)":
        "{name}：在 {n} 行留作验证的数据（其中 {other} 行互不相同）上可证明约 {margin} 以上的容许量（按模型推算：两个模型的相似程度如常）",
    "{name}: margins from about {margin} on {n} untouched rows, by weight worth {k} equal ones (modelled: two models as alike as is usual)":
        "{name}：在 {n} 行留作验证的数据（按权重相当于 {k} 行等权的数据）上可证明约 {margin} 以上的容许量（按模型推算：两个模型的相似程度如常）",
    "{name}: nothing, since only {few} of the {n} untouched rows hold the rarest class, and at least {least} are needed":
        "{name}：无法证明；{n} 行留作验证的数据中，属于最少一类的仅 {few} 行，至少需要 {least} 行",
    "{name}: nothing, since equal rows and groups count once": "{name}：无法证明；相同的行及同组的行只计一次",
    "only {few} of the {m} different ones among the {n} untouched rows hold the rarest class, and at least {least} are needed":
        "{n} 行留作验证的数据中互不相同者 {m} 个，其中属于最少一类的仅 {few} 个，至少需要 {least} 个",
    "give more of it": "请补充这一类的数据",
    "give more different rows of it, or name with --group the column that says whose each row is":
        "请补充这一类中互不相同的行，或用 --group 指明说明各行归属的列",
    "yours is smaller, so it may stay inconclusive": "所要求的更小，故可能尚无定论",
    # What was understood of a program
    "{names}; quality is judged on the same data as the search saw": "{names}；质量按搜索所用的数据评判",
    "{name} takes whole numbers from {low} to {high}": "{name} 取 {low} 至 {high} 的整数",
    "for reals: {text}": "若要实数：{text}",
    "{name} takes reals from {low} to {high}": "{name} 取 {low} 至 {high} 的实数",
    "for whole numbers: {text}": "若要整数：{text}",
    "{name}: {text} is one word wherever {place} stands": "{name}：{text} 在 {place} 处作为一个词",
    "for several words: {text}": "若要多个词：{text}",
    "{name}: lower is taken to be better, from its name": "{name}：由名称推断为越低越好",
    "{name}: higher is taken to be better, from its name": "{name}：由名称推断为越高越好",
    "if not: {text}": "若非如此：{text}",
    "{word} is handed over as it is, since no shell reads it": "{word} 原样传递，因为没有 shell 解释它",
    "where one should: {text}": "若需要 shell：{text}",
    "the standard input is not handed to the program": "标准输入不会传给程序",
    "say --stdin": "请用 --stdin 指定",
    "{place} is the same file for all runs, so one runs at a time": "{place} 由所有运行共用，故一次只运行一个",
    "best let it be in {dir}": "最好放在 {dir} 中",
    "must be the baseline's: all that is printed": "须与基线相同：全部输出",
    "must be the baseline's: the file {place}": "须与基线相同：文件 {place}",
    "must be the baseline's: what {text} matches in what is printed": "须与基线相同：输出中与 {text} 匹配的部分",
    "numbers may differ by {share} of their size": "其中的数可相差其大小的 {share}",
    "not checked: a config that puts out something else may win": "不检查：输出不同的配置也可能胜出",
    "--same-output checks it": "用 --same-output 检查",
    # Where it ran
    "{n} usable of {all}": "可用 {n}，共 {all}",
    "{n} MiB free of {all}": "空闲 {n} MiB，共 {all} MiB",
    "cpu {n} %, memory {m} %, io {k} %": "处理器 {n} %，内存 {m} %，读写 {k} %",
    "unnamed": "未具名",
    "unavailable": "未知",
    "none": "无",
    "on": "开",
    "off": "关",
    # What stands in the places
    "rows": "行",
    "groups": "组",
    "classes": "类别",
}  # fmt: skip

# Labels of facts and of the machine, and the stages that every table has.
LABELS: dict[str, str] = {
    "data": "数据", "columns": "列", "task": "任务", "dropped": "舍弃", "split": "划分", "note": "说明",
    "baseline": "基线", "looks": "查看次数", "provable": "可证明", "program": "程序",
    "first run": "首次运行", "require": "须满足", "prepare": "运行前", "cleanup": "运行后", "stdin": "标准输入",
    "test command": "测试命令", "good exits": "正常退出码", "progress": "进度",
    "directory": "目录", "metrics": "指标", "output": "输出", "read as": "读取方式",
    "cpu": "处理器", "cores": "核数", "memory": "内存", "memory limit": "内存上限", "gpu": "显卡",
    "hypervisor": "虚拟机管理程序", "turbo": "睿频", "load": "负载", "pressure": "压力",
    "system": "系统", "algorithm": "算法", "hyperparameter": "超参数", "simplification": "简化",
    "resource": "资源", "parallelism": "并行", "storage": "存储",
}  # fmt: skip
STAGES: dict[str, str] = {
    "load": "载入", "prepare": "预处理", "fit": "训练", "simplify": "简化", "compile": "编译",
    "blend": "融合", "predict": "预测", "run": "运行", "stopped": "已停止",
}  # fmt: skip


def in_language(sentence: str, language: Language) -> str:
    """The sentence in this language; what no template knows stays as it was said."""
    if language == "en" or not sentence:
        return sentence
    return _translated(sentence) or sentence


def label_of(label: str, language: Language) -> str:
    """What a fact or a part of the machine is called; other names are names."""
    if language == "en":
        return label
    word, _, rest = label.partition(" ")
    return f"步骤 {rest}" if word == "step" and rest else LABELS.get(label, label)


def stage_of(stage: str, language: Language) -> str:
    """What a stage is called; those of the user's programs have the user's names."""
    return stage if language == "en" else STAGES.get(stage, stage)


def _translated(sentence: str, *, whole: bool = False) -> str | None:
    """The Chinese sentence, None where all of it is unknown (whole: or some of it)."""
    for pattern, template in _patterns():
        match = pattern.fullmatch(sentence)
        places = _filled(match.groupdict()) if match else None
        if places is not None:
            return template.format(**places)
    if sentence in OWN_WORDS or "; " not in sentence:
        return OWN_WORDS.get(sentence)
    parts = sentence.split("; ")
    translated = [_translated(part) for part in parts]
    known = [one is not None for one in translated]
    if not (all if whole else any)(known):
        return None
    ends = ["；" if a and b else "; " for a, b in itertools.pairwise(known)]
    texts = [one or part for one, part in zip(translated, parts, strict=True)]
    return "".join(itertools.chain(*zip(texts, [*ends, ""], strict=True)))


def _filled(places: dict[str, str]) -> dict[str, str] | None:
    """What stands in the places, sentences translated; None where one should be and is not."""
    filled = dict(places)
    for name in places.keys() & (TOLD | FREE):
        translated = _translated(places[name], whole=name in TOLD)
        if translated is None and name in TOLD:
            return None
        filled[name] = translated or places[name]
    return filled


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """A pattern for each template: those that say most come first."""
    ordered = sorted(SENTENCES, key=lambda text: -len(re.sub(r"{\w+}", "", text)))
    return tuple((_pattern(text), SENTENCES[text]) for text in ordered)


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"{(\w+)}", template)
    named = [
        re.escape(part) if i % 2 == 0 else f"(?P<{part}>{HOLDS.get(part, '(?:(?!; ).)+?')})"
        for i, part in enumerate(parts)
    ]
    return re.compile("".join(named), re.DOTALL)


# The outcomes, arms and roles, which have words of their own.
OWN_WORDS = {
    key: WORDS[key][1]
    for key in (
        "baseline", "candidate", "ok", "stopped", "rejected", "timeout", "out of memory",
        "crashed", "lost", "other output",
    )
}  # fmt: skip
