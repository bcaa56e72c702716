"""A trace as a page: pictures of gates, memory, answers and what each token did."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.inspection.charts import Chart, bars, heatmap, line_chart
from seqtasks.inspection.html_page import (
    Markup,
    Section,
    figures,
    fragment,
    table,
    write_page,
)
from seqtasks.inspection.steps import most_changing
from seqtasks.inspection.trace_data import LayerTrace, Trace

UNITS = 8  # that are shown where nothing else is said

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Inside", "answer": "Answer", "token": "token", "unit": "unit",
        "running": "What is answered where the text ends after each token",
        "certainty": "Probability of that answer", "number": "The number answered",
        "gradient": "|∂y/∂x_t|: how much each token's vector moves the answer",
        "gradients": "What moves the answer",
        "left": "Share of each token in what moves h_T (|∂h_T/∂x_t|)",
        "along_c": "Along c: ∂c_T/∂c_t measured, and the product of the forget gates alone",
        "measured": "measured, mean of |…| over units", "product": "product of f, mean over units",
        "state": "|∂h_T/∂h_t|: what comes back to each state",
        "attention": "Where the model looks", "sentences": "Weight of each sentence",
        "words": "Weight of each word in its sentence", "written": "written",
        "backward": "reads from the last token to the first",
        "units": "Units shown: those whose state changes most, or those asked for.",
        "f": "Forget gate f", "i": "Input gate i", "o": "Output gate o",
        "g": "Candidate g (c̃)", "c": "Memory c_t", "h": "State h_t", "z": "Update gate z",
        "r": "Reset gate r", "h_tilde": "Candidate h̃",
    },
    "ko": {
        "title": "모델 내부", "answer": "답", "token": "토큰", "unit": "유닛",
        "running": "글이 각 토큰에서 끝난다면 모델이 내는 답",
        "certainty": "그 답의 확률", "number": "모델이 내는 수",
        "gradient": "|∂y/∂x_t|: 각 토큰의 벡터가 답을 얼마나 움직이는가",
        "gradients": "답을 움직이는 것",
        "left": "h_T를 움직이는 것 가운데 각 토큰의 몫 (|∂h_T/∂x_t|)",
        "along_c": "c를 따라서: 측정한 ∂c_T/∂c_t와 망각 게이트만의 곱",
        "measured": "측정값, 유닛 평균 |…|", "product": "f의 곱, 유닛 평균",
        "state": "|∂h_T/∂h_t|: 각 상태로 되돌아오는 기울기",
        "attention": "모델이 보는 곳", "sentences": "각 문장의 가중치",
        "words": "문장 안에서 각 단어의 가중치", "written": "출력",
        "backward": "마지막 토큰부터 거꾸로 읽음",
        "units": "상태가 가장 많이 변하는 유닛, 또는 지정한 유닛을 보입니다.",
        "f": "망각 게이트 f", "i": "입력 게이트 i", "o": "출력 게이트 o",
        "g": "새로운 정보 후보 g (c̃)", "c": "셀 상태 c_t", "h": "은닉상태 h_t",
        "z": "업데이트 게이트 z", "r": "리셋 게이트 r", "h_tilde": "새로운 상태 후보 h̃",
    },
}  # fmt: skip
_GATES = {"f", "i", "o", "z", "r"}


def write_traces(
    path: Path, traces: Sequence[Trace], units: Sequence[int] | None = None, lang: str = "en"
) -> None:
    """Write traces as one page.

    Args:
        units: which to show of each layer. Default: those that change most.
        lang: "en" or "ko".
    """
    sections = [section for trace in traces for section in sections_of(trace, units, lang)]
    write_page(path, f"{_WORDS[lang]['title']}: {traces[0].task}", sections, lang)


def write_attention(path: Path, found: Sequence[dict[str, Any]], lang: str = "en") -> None:
    """Write a page of where a model looked.

    Args:
        found: predictions of documents or translations, as `predict --json` has them.
        lang: "en" or "ko".
    """
    say, sections = _WORDS[lang], []
    for each in found:
        if "translation" in each:
            tokens = each["source_tokens"], each["target_tokens"]
            answer, charts = each["translation"], looked([], *tokens, each["attention"], lang)
        else:
            looks = [(one["weight"], one["words"]) for one in each["attention"]]
            answer = each.get("label") or " | ".join(each.get("labels", [])) or each.get("value")
            charts = looked(looks, lang=lang)
        parts = [f"{say['answer']}: {answer}", figures(charts, lang)]
        sections.append(Section(f"“{each['text']}”", parts))
    write_page(path, say["attention"], sections, lang)


class ShownTrace(Trace):
    """A trace that a notebook shows as pictures."""

    def _repr_html_(self) -> str:
        return fragment(sections_of(self), "en")


def sections_of(
    trace: Trace, units: Sequence[int] | None = None, lang: str = "en"
) -> list[Section]:
    """The parts of a page about one text."""
    say = _WORDS[lang]
    steps = [f"{n + 1} {token}" for n, token in enumerate(trace.tokens)]
    parts: list[Any] = [f"{say['answer']}: {trace.answer}", *trace.notes]
    charts = []
    if np.isfinite(trace.certainty).all():
        numbers = _are_numbers(trace)
        label = say["number" if numbers else "certainty"]
        charts.append(line_chart(label, steps, {label: trace.certainty}, say["token"], ""))
    charts.append(
        line_chart(
            say["gradient"], steps, {say["gradient"]: trace.gradient}, say["token"], "|∂y/∂x_t|"
        )
    )
    rows = [[step, said] for step, said in zip(steps, trace.running, strict=True) if said]
    found = [
        Section(f"“{trace.text}”", [*parts, table([say["token"], say["running"]], rows)]),
        Section(say["gradients"], [figures(charts, lang)]),
    ]
    if trace.attention:
        found.append(Section(say["attention"], [figures(attention_charts(trace, lang), lang)]))
    return [*found, *(_layer_section(layer, units, lang) for layer in trace.layers)]


def attention_charts(trace: Trace, lang: str = "en") -> list[Chart]:
    """Pictures of where a model looked."""
    words, sentences, start = trace.attention.get("words"), [], 0
    for n, length in enumerate(trace.sentences if words is not None else []):
        own = slice(start, start + length)
        sentences.append((float(trace.attention["sentences"][n]), [
            (token, float(weight))
            for token, weight in zip(trace.tokens[own], trace.attention["words"][own], strict=True)
        ]))  # fmt: skip
        start += length
    return looked(sentences, trace.tokens, trace.written, trace.attention.get("written"), lang)


def looked(
    sentences: Sequence[tuple[float, Sequence[tuple[str, float]]]],
    source: Sequence[str] = (),
    written: Sequence[str] = (),
    weights: Any = None,
    lang: str = "en",
) -> list[Chart]:
    """Pictures of attention.

    Args:
        sentences: of a document, each with its weight and its words with theirs.
        source, written, weights: of a translation, (written, source).
        lang: "en" or "ko".
    """
    say, charts = _WORDS[lang], []
    if weights is not None and len(weights):
        title = f"{say['attention']}: {say['written']} × {say['token']}"
        charts.append(heatmap(title, weights, list(written), list(source), most=1))
    if sentences:
        names = [f"{n + 1}: {' '.join(w for w, _ in s[:3])}" for n, (_, s) in enumerate(sentences)]
        shares = [weight for weight, _ in sentences]
        charts.append(bars(say["sentences"], names, shares, say["sentences"]))
        for name, (_, own) in zip(names, sentences, strict=True):
            if own:
                title = f"{say['words']}: {name}"
                row = [[weight for _, weight in own]]
                charts.append(heatmap(title, row, [""], [word for word, _ in own], most=1))
    return charts


def _layer_section(layer: LayerTrace, units: Sequence[int] | None, lang: str) -> Section:
    say, arrays = _WORDS[lang], layer.arrays
    chosen = list(units) if units is not None else most_changing(layer, UNITS)
    names = [f"{say['unit']} {unit}" for unit in chosen]
    steps = [f"{n + 1} {token}" for n, token in enumerate(layer.tokens)]
    charts = [line_chart(say["left"], steps, {say["left"]: layer.left}, say["token"], "")]
    if "forgotten" in arrays:
        both = {
            say["measured"]: np.abs(arrays["d_memory"]).mean(axis=1),
            say["product"]: arrays["forgotten"].mean(axis=1),
        }
        charts.append(line_chart(say["along_c"], steps, both, say["token"], "∂c_T/∂c_t", log=True))
    charts.append(
        line_chart(
            say["state"], steps, {say["state"]: arrays["d_state"]}, say["token"], "", log=True
        )
    )
    charts += [
        heatmap(say[name], arrays[name].T[chosen], names, steps, 1 if name in _GATES else None)
        for name in ("f", "i", "g", "o", "z", "r", "h_tilde", "c", "h")
        if name in arrays
    ]
    about = f"{say['backward']}. " if layer.backward else ""
    return Section(layer.name, [f"{about}{say['units']}", Markup(figures(charts, lang))])


def _are_numbers(trace: Trace) -> bool:
    """Whether what is answered is a number, whose certainty is itself."""
    return bool(trace.running) and trace.running[-1] == f"{trace.certainty[-1]:.4g}"
