"""Every word that a report uses, in both languages, once."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

WORDS: dict[str, tuple[str, str]] = {
    "comma": (", ", "、"),
    "colon": (": ", "："),
    "semicolon": ("; ", "；"),
    "brackets": ("({told})", "（{told}）"),
    "ACCEPT": ("ACCEPT", "通过 ACCEPT"),
    "REJECT": ("REJECT", "否决 REJECT"),
    "INCONCLUSIVE": ("INCONCLUSIVE", "尚无定论 INCONCLUSIVE"),
    "RUNNING": ("UNFINISHED", "未完成"),
    "lower": ("{name} {factor}× lower [{low}, {high}]", "{name} 降至 1/{factor} [1/{low}, 1/{high}]"),
    "higher": ("{name} {factor}× higher [{low}, {high}]", "{name} 升至 {factor} 倍 [{low}, {high}]"),
    "changed": ("{name} {factor} [{low}, {high}]", "{name} {factor} [{low}, {high}]"),
    "percent": ("{name} {factor} % [{low}, {high}]", "{name} {factor} % [{low}, {high}]"),
    "at least higher": ("{name} at least {factor}× higher", "{name} 至少升至 {factor} 倍"),
    "at least lower": ("{name} at least {factor}× lower", "{name} 至少降至 1/{factor}"),
    "either way": ("{name} open: {low} to {high}", "{name} 未定：{low} 至 {high}"),
    "unclear": ("{name} change still unclear", "{name} 变化尚不明确"),
    "unlike": (
        "{name}: {pairs}× by the pairs, {medians}× by the medians of all runs: the machine was not "
        "steady, and the pairs are what was tested",
        "{name}：按成对运行为 {pairs} 倍，按全部运行的中位数为 {medians} 倍：机器状态不稳，判定以成对运行为准",
    ),
    "not measured": ("{name} not measured", "{name} 未测得"),
    "not worse": ("{name} not worse ({change})", "{name} 不变差（{change}）"),
    "within": ("{name} within its bound ({change})", "{name} 在界限内（{change}）"),
    "worse": ("{name} breaks its bound ({change})", "{name} 超出界限（{change}）"),
    "is worse": ("{name} is worse ({change})", "{name} 变差（{change}）"),
    "unproven": ("{name} unproven ({change})", "{name} 未证实（{change}）"),
    "faster": ("{name} is {factor}× [{low}, {high}] faster", "{name} 的速度是 {factor} 倍 [{low}, {high}]"),
    "slower": ("{name} is {factor}× [{low}, {high}] slower", "{name} 的耗时是 {factor} 倍 [{low}, {high}]"),
    "no better": ("{name} is no better", "{name} 没有变好"),
    "kept": ("{name} not worse", "{name} 不变差"),
    "kept within": (
        "{name} not worse by more than {limit} ({change})",
        "{name} 变差不超过 {limit}（{change}）",
    ),
    "open": ("{name} {change}: whether its bound holds is open", "{name} {change}：是否满足界限尚无定论"),
    "unmeasured": ("not measured", "未测得"),
    "of the others": (
        "of the runs that ended well (--ignore-failures compares them alone): {told}",
        "仅就正常结束的运行而言（用 --ignore-failures 只比较这些）：{told}",
    ),
    "alike": ("{name} within {limit} of {base}", "{name} 与 {base} 相差不超过 {limit}"),
    "unseen": (
        "not enough evidence on {name}: a difference below {least} could not have been seen",
        "{name} 证据不足：低于 {least} 的差异无法分辨",
    ),
    "no evidence": ("not enough evidence on {name}", "{name} 证据不足"),
    "told": ("{name}: {note}", "{name}：{note}"),
    "watched": ("told", "附带"),
    "saved arm": ("saved, as of today", "已保存（折算至今日）"),
    "saved note": (
        "Runs in random order beside a yardstick, held against those of another day as multiples of it; "
        "{pairs} pairs. What slows this program more than the yardstick counts as a change.",
        "与标尺程序随机交替运行，以其倍数对比另一日的运行；共 {pairs} 对。凡使本程序比标尺程序慢得更多的因素，均算作变化。",
    ),
    "saved": ("{n} runs, saved ones", "{n} 次运行，对比已保存的基线"),
    "programs": ("What was compared", "比较对象"),
    "odd": ("What was noisy or odd", "噪声与异常"),
    "nothing odd": ("nothing was noticed", "未发现异常"),
    "failed": ("{arm}: {count} of {runs} runs failed ({how})", "{arm}：{runs} 次运行中有 {count} 次失败（{how}）"),
    "outputs differ": ("the outputs of the two differ", "两者的输出不同"),
    "outputs vary": ("the outputs vary from run to run", "输出逐次不同"),
    "unsteady": (
        "{arm} was in no steady state: its level changed by {factor:.2f}× after pair {after}",
        "{arm} 未达稳态：第 {after} 对之后水平变为 {factor:.2f} 倍",
    ),
    "unsteady within": (
        "{arm}: in {count} of {runs} processes the calls did not keep their level",
        "{arm}：{runs} 个进程中有 {count} 个未保持稳定水平",
    ),
    "others": (
        "others kept {cores:.1f} cores busy during {count} of the {runs} runs that lasted long enough to tell",
        "在时长足以判断的 {runs} 次运行中，有 {count} 次受其他程序干扰，其平均占用 {cores:.1f} 核",
    ),
    "stolen": (
        "the hypervisor took {cores:.2f} cores during {count} of {runs} runs",
        "{runs} 次运行中有 {count} 次被虚拟机管理程序占用，平均 {cores:.2f} 核",
    ),
    "waiting": (
        "somebody waited for a core {share:.0%} of the time; {queue:.1f} programs were ready to run",
        "{share:.0%} 的时间有程序在等待处理器；平均有 {queue:.1f} 个程序处于就绪状态",
    ),
    "spread": ("from run to run {name} varies by {base:.1%} ({a}) and {cand:.1%} ({b})",
               "{name} 的逐次波动：{a} {base:.1%}，{b} {cand:.1%}"),
    "title": ("Tuning report", "调优报告"),
    "comparison": ("Comparison", "比较报告"),
    "all tried": (
        "all {count} configs were tried, and none is better than the baseline",
        "全部 {count} 个配置均已尝试，没有优于基线者",
    ),
    "some tried": (
        "{tried} of {count} configs were tried, and none of them is better than the baseline",
        "{count} 个配置中尝试了 {tried} 个，其中没有优于基线者",
    ),
    "tried": (
        "{tried} configs were tried, and none of them is better than the baseline",
        "尝试了 {tried} 个配置，其中没有优于基线者",
    ),
    "too short": (
        "the budget was too short for a search: only the baseline was tried",
        "预算太短，无法搜索：只试了基线",
    ),
    "some failed": ("some trials failed ({how})", "部分试验失败（{how}）"),
    "baseline breaks": (
        "the baseline itself breaks {bound}: its {name} is {value}",
        "基线本身违反 {bound}：其 {name} 为 {value}",
    ),
    "best within": (
        "what is handed over is the best of what keeps every bound, unproven",
        "交付的是满足全部约束的配置中最好的一个，未经证实",
    ),
    "baseline overdue": (
        "the baseline took longer than half of the budget ({limit})",
        "基线耗时超过预算的一半（{limit}）",
    ),
    "budget short": (
        "the {pairs} pairs that a verdict needs take about {takes}, which this budget does not hold",
        "判定至少需要 {pairs} 对运行，约需 {takes}，此预算容纳不下",
    ),
    "budget short of refits": (
        "the refits that a verdict needs take about {takes}, which this budget does not hold",
        "判定所需的重新训练约需 {takes}，此预算容纳不下",
    ),
    "overdue": (
        "{arm} took longer than half of the budget ({limit}), and was stopped",
        "{arm} 耗时超过预算的一半（{limit}），已停止",
    ),
    "larger": ("a budget of about {budget} would do", "约需预算 {budget}"),
    "so far": (
        "so far {change} [{low}, {high}], which claims nothing",
        "目前为 {change} [{low}, {high}]，不作断言",
    ),
    "so far spread": (
        "so far {change}, between {low} and {high}, which claims nothing",
        "目前为 {change}，介于 {low} 与 {high} 之间，不作断言",
    ),
    "goal": ("goal", "目标"),
    "workload": ("workload", "工作负载"),
    "verified": ("What was proven", "已证明的结果"),
    "fewer parts": (
        "{note} Of the untouched rows {parts} of {of_parts} parts were judged: there was no time "
        "for more.",
        "{note}未动用的数据行共 {of_parts} 份，因时间不够只判定了 {parts} 份。",
    ),
    "verified note": (
        "Measured on rows and in processes that the search never saw. "
        "Pairs: {pairs}; looks at the test rows: {looks}; error level: {alpha:g}.",
        "在搜索从未见过的数据行与进程中测得。成对运行：{pairs}；查看测试集次数：{looks}；显著性水平：{alpha:g}。",
    ),
    "same data note": (
        "Measured in processes that the search never saw, on the data that it saw. "
        "Pairs: {pairs}; error level: {alpha:g}.",
        "在搜索从未见过的进程中、用搜索所用的数据测得。成对运行：{pairs}；显著性水平：{alpha:g}。",
    ),
    "fresh data note": (
        "Measured in processes that the search never saw, quality on data that it never saw. "
        "Pairs: {pairs}; error level: {alpha:g}.",
        "在搜索从未见过的进程中测得，质量用搜索从未见过的数据判定。成对运行：{pairs}；显著性水平：{alpha:g}。",
    ),
    "several": (
        "{n} programs held against the first. The chance of any wrong ACCEPT among them is at most {alpha:.1%} (Holm):",
        "{n} 个程序分别与第一个比较。其中出现任何错误 ACCEPT 的概率至多 {alpha:.1%}（Holm 法）：",
    ),
    "error level": ("(error level {alpha:.3g})", "（显著性水平 {alpha:.3g}）"),
    "compared note": (
        "Fresh processes in pairs of random order; {pairs} pairs. "
        "The chance of a wrong ACCEPT is at most 2.5 %.",
        "成对的新进程，顺序随机；共 {pairs} 对。误判为 ACCEPT 的概率至多 2.5 %。",
    ),
    "metric": ("metric", "指标"),
    "role": ("role", "角色"),
    "objective": ("objective", "优化目标"),
    "constraint": ("constraint", "约束"),
    "baseline": ("baseline", "基线"),
    "candidate": ("candidate", "候选"),
    "change": ("change [interval]", "变化 [区间]"),
    "limit": ("held against", "判定界限"),
    "evidence": ("evidence", "依据"),
    "pairs": ("{n} pairs", "{n} 对进程"),
    "rows": ("{n:,} rows", "{n:,} 行数据"),
    "same data": ("{n} pairs, same data", "{n} 对，相同数据"),
    "fresh data": ("{n} pairs, fresh data", "{n} 对，新数据"),
    "fixed": ("one value each", "各一个固定值"),
    "handed over": ("What is handed over", "交付的配置"),
    "unproven config": ("unproven", "未证实"),
    "baseline kept": ("the baseline itself", "基线本身"),
    "knob": ("knob", "旋钮"),
    "absent": ("—", "—"),
    "steps": ("Where the gain comes from (sampled in the search)", "收益来源（搜索中的采样值）"),
    "runtime only": ("runtime only", "仅改运行时"),
    "final": ("final", "最终"),
    "best": ("Best configs (sampled in the search, not verified)", "最优配置（搜索采样值，未经验证）"),
    "config": ("config (what differs from the baseline)", "配置（与基线的差异）"),
    "blend": ("blend of {n}", "{n} 个模型的加权混合"),
    "blend members": ("blend of {n}: {members}", "{n} 个模型的加权混合：{members}"),
    "blend to weigh": ("blend of {n}, weights to be chosen", "{n} 个模型的混合，权重待定"),
    "weight": ("weight", "权重"),
    "family": ("family", "模型类别"),
    "member knobs": ("what differs from the family's defaults", "与该类别默认值的差异"),
    "defaults": ("its defaults", "全部取默认值"),
    "members note": (
        "The members answer each row together, as the mean by their weights.{sampled}",
        "各成员对每一行共同作答，取加权平均。{sampled}",
    ),
    "members sampled": (
        " Beside each: what the search sampled of it alone.",
        "表中数值为搜索中单独使用该成员时的采样值。",
    ),
    "time": ("Where the wall time went", "墙钟时间去向"),
    "stage": ("stage", "阶段"),
    "wall": ("wall time", "墙钟时间"),
    "share": ("share", "占比"),
    "runs": ("runs", "运行"),
    "reused": ("reused", "复用"),
    "own": ("tuner itself", "调优器自身"),
    "verification": ("verification, of the above", "以上之中属于验证的"),
    "time note": (
        "Elapsed {elapsed}. Stages may overlap: each is the time in which it ran at all.",
        "历时 {elapsed}。各阶段可并行，故为其运行时间的并集。",
    ),
    "understood": ("What was understood", "研究内容"),
    "environment": ("Where it ran", "运行环境"),
    "command": ("Command line, ready to paste", "命令行（可直接粘贴）"),
    "budget": ("budget", "预算"),
    "seed": ("seed", "随机种子"),
    "date": ("date", "日期"),
    "trials": ("Trials", "试验"),
    "ok": ("ok", "完成"),
    "stopped": ("stopped", "已停止"),
    "rejected": ("rejected", "不可运行"),
    "timeout": ("timeout", "超时"),
    "out of memory": ("out of memory", "内存不足"),
    "crashed": ("crashed", "崩溃"),
    "other output": ("other output", "输出不同"),
    "lost": ("lost", "丢失"),
    "measured": ("configs measured", "已测配置数"),
    "search figure": ("Every config of the search (sampled)", "搜索中的所有配置（采样值）"),
    "pairs figure": ("Pairs of fresh processes (measured)", "成对新进程（实测）"),
    "time figure": ("Wall time by stage", "各阶段墙钟时间"),
    "front": (
        "What no other config beats on all objectives (sampled, not verified)",
        "没有其他配置能在所有目标上都胜过的配置（采样值，未经验证）",
    ),
    "on front": ("beaten by none", "未被全面胜过"),
    "model": ("The model: {told}", "模型：{told}"),
    "inputs": ("It asks for {told}", "所需输入：{told}"),
    "calibration figure": ("Are its probabilities right?", "概率是否可信"),
    "confusion figure": ("Which classes it takes for which", "类别混淆"),
    "residuals figure": ("What it says, and what was true", "预测值与真实值"),
    "importance figure": ("What it answers from", "依据哪些列作答"),
    "judged note": (
        "Of the model itself: on {n:,} untouched rows, each answered by a model that had not learned from it.",
        "模型本身：依据 {n:,} 行未动用的数据，每一行都由未曾学习过它的模型作答。",
    ),
    "importance note": (
        "By how much {name} rises where the values of a column are dealt out anew among {n:,} rows that it had "
        "not learned from (mean of 5 deals, 95 % interval over the rows). Columns that say the same share it.",
        "在 {n:,} 行未学习过的数据中打乱某列的值之后，{name} 上升多少（5 次打乱的均值，95 % 区间）。含义相同的列分摊其重要性。",
    ),
    "said share": ("probability of {name}", "{name} 的预测概率"),
    "true share": ("share of {name}", "{name} 的实际比例"),
    "said": ("what it says", "预测"),
    "true": ("what was true", "真实"),
    "perfect": ("exact", "完全一致"),
    "rise": ("rise of {name}", "{name} 的上升"),
    "order": ("config, in order", "配置（按先后）"),
    "bound": ("bound", "界限"),
    "point": ("config", "配置"),
    "holds": ("holds the constraints", "满足约束"),
    "breaks": ("breaks one", "违反约束"),
    "pair": ("pair", "进程对"),
    "pair change": ("{name}: candidate / baseline", "{name}：候选 / 基线"),
    "pair difference": ("{name}: candidate − baseline", "{name}：候选 − 基线"),
    "interval": ("interval so far", "累计区间"),
}  # fmt: skip


def say(key: str, language: Language, **values: object) -> str:
    """The words for `key` with `values` filled in."""
    return WORDS[key][0 if language == "en" else 1].format(**values)
