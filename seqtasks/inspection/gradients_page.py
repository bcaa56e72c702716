"""Gradients as a page: of the three cells, or of one run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqtasks.inspection.charts import Chart, line_chart
from seqtasks.inspection.html_page import Section, figures, write_page

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Gradients of RNN, LSTM and GRU", "of_run": "Gradients of {}",
        "reach": "How far the gradient reaches back",
        "asked": "The loss is at the last step and asks for the first symbol.",
        "why": "Why it shrinks or grows", "untrained": "untrained", "trained": "trained",
        "accuracy": "Accuracy", "norm": "norm", "repeated": "W_h, repeated", "scale": "scale",
        "products": "products", "tanh": "tanh and its derivative",
        "steps": "steps, counted from the last",
        "rows": "Mean of {} examples of training, loss {:.4g}.",
        "aligned": "Each layer's steps are in the order in which it reads. Where there is one "
        "answer the loss comes in at the last step; where each token has one, at every step.",
        "training": "What training wrote, epoch by epoch", "epoch": "epoch",
        "norms": "Norm of the gradient before clipping", "mean": "mean", "largest": "largest",
        "clipped": "Share of clipped steps", "clip": "A gradient whose norm is at least {:g} is "
        "scaled down to that norm.", "share": "share", "sigma": "Largest singular value of W_h",
        "value": "singular value",
        "bound": "A step back multiplies with the transpose of W_h, all its gates' blocks beside "
        "each other. That makes a gradient longer by at most the largest singular value as factor.",
        "nothing": "An earlier version trained this run, which wrote nothing of gradients.",
    },
    "ko": {
        "title": "RNN, LSTM, GRU의 기울기", "of_run": "{}의 기울기",
        "reach": "기울기가 거슬러 닿는 곳",
        "asked": "손실은 마지막 시각에 있고 첫 기호를 묻습니다.",
        "why": "줄거나 커지는 까닭", "untrained": "학습 전", "trained": "학습 후",
        "accuracy": "정확도", "norm": "노름", "repeated": "거듭 곱한 W_h", "scale": "배율",
        "products": "곱한 횟수", "tanh": "tanh와 그 미분",
        "steps": "마지막 시각부터 센 시각", "rows": "학습 예 {}개의 평균, 손실 {:.4g}.",
        "aligned": "층마다 그 층이 읽는 순서입니다. 답이 하나면 손실은 마지막 시각에 들어오고, "
        "토큰마다 답이 있으면 모든 시각에 들어옵니다.",
        "training": "학습이 에포크마다 적은 것", "epoch": "에포크",
        "norms": "클리핑 전 기울기의 노름", "mean": "평균", "largest": "최대",
        "clipped": "클리핑한 스텝의 비율", "clip": "노름이 {:g} 이상인 기울기는 그 노름으로 "
        "줄입니다.", "share": "비율", "sigma": "W_h의 가장 큰 특잇값", "value": "특잇값",
        "bound": "한 시각 거스를 때마다 게이트의 블록을 나란히 놓은 W_h의 전치를 곱합니다. "
        "이 곱으로 기울기는 많아야 가장 큰 특잇값 배만큼 커집니다.",
        "nothing": "이 실행은 기울기를 적지 않던 이전 판으로 학습했습니다.",
    },
}  # fmt: skip


def write_cells(
    path: Path, reaches: Sequence[Any], products: Sequence[Any], curve: Any, lang: str = "en"
) -> None:
    """Write what `seqtasks.inspection.gradients` found of the three cells as one page.

    Args:
        reaches: `reach_of_cells`'.
        products: `repeated_product`'s, of several scales.
        curve: `tanh_and_derivative`'s.
        lang: "en" or "ko".
    """
    words = _WORDS[lang]
    steps = list(range(1, len(reaches[0].h) + 1))
    charts, told = [], []
    for trained in (False, True):
        series = series_of(reaches, trained)
        state = words["trained" if trained else "untrained"]
        if series:
            title = f"‖∂L/∂h_t‖, ‖∂L/∂c_t‖: {state}"
            charts.append(line_chart(title, steps, series, "t", words["norm"], log=True))
            right = [f"{r.cell} {r.accuracy:.2f}" for r in reaches if r.trained == trained]
            told.append(f"{words['accuracy']}, {state}: {', '.join(right)}.")
    norms = {
        f"{words['scale']} {p.scale:g}, σ₁ = {p.singular_value:.3f}": p.norms for p in products
    }
    counts = list(range(len(products[0].norms)))
    product = line_chart(
        words["repeated"], counts, norms, words["products"], words["norm"], log=True
    )
    tanh = {"tanh x": curve[1], "1 - tanh² x": curve[2]}
    squashed = line_chart(words["tanh"], curve[0], tanh, "x", "y")
    sections = [
        Section(words["reach"], [words["asked"], *told, figures(charts, lang)]),
        Section(words["why"], [figures([product, squashed], lang)]),
    ]
    write_page(path, words["title"], sections, lang)


def series_of(reaches: Sequence[Any], trained: bool) -> dict[str, list[float]]:
    """The norms of each cell by its name, and those along the LSTM's c."""
    series = {}
    for each in reaches:
        if each.trained == trained:
            series[f"{each.cell} h"] = each.h
            if each.c:
                series[f"{each.cell} c"] = each.c
    return series


def write_run(
    path: Path, name: str, reach: Any, rows: Sequence[Mapping[str, Any]], clip_norm: float,
    lang: str = "en",
) -> None:  # fmt: skip
    """Write the gradients of one run as a page.

    Args:
        name: the run's.
        reach: `seqtasks.inspection.run_gradients.reach_of_run`'s.
        rows: the lines of metrics.jsonl.
        clip_norm: what its gradients were clipped to.
        lang: "en" or "ko".
    """
    words = _WORDS[lang]
    reaches = [_reach_chart(each, words) for each in reach.layers]
    told = [words["rows"].format(reach.texts, reach.loss), words["aligned"]]
    written = epoch_charts(rows, lang)
    about = [words["clip"].format(clip_norm), words["bound"], figures(written, lang)]
    sections = [
        Section(words["reach"], [*told, figures(reaches, lang)]),
        Section(words["training"], about if written else [words["nothing"]]),
    ]
    write_page(path, words["of_run"].format(name), sections, lang)


def _reach_chart(layer: Any, words: Mapping[str, str]) -> Chart:
    back = [-n for n in reversed(range(len(layer.h)))]
    return line_chart(
        f"‖∂L/∂h_t‖: {layer.layer}", back, {layer.layer: layer.h}, words["steps"], words["norm"],
        log=True,
    )  # fmt: skip


def epoch_charts(rows: Sequence[Mapping[str, Any]], lang: str = "en") -> list[Chart]:
    """Draw by epoch the norms of the gradient, the share of clipped steps, and singular values.

    Args:
        rows: the lines of metrics.jsonl; those of earlier versions, which have none, are left out.
        lang: "en" or "ko".
    """
    words, rows = _WORDS[lang], [row for row in rows if "gradient_norm" in row]
    if not rows:
        return []
    epochs = [row["epoch"] for row in rows]
    norms = {
        words["largest"]: [row["largest_gradient_norm"] for row in rows],
        words["mean"]: [row["gradient_norm"] for row in rows],
    }
    clipped = {words["share"]: [row["clipped"] for row in rows]}
    charts = [
        line_chart(words["norms"], epochs, norms, words["epoch"], words["norm"], log=True),
        line_chart(words["clipped"], epochs, clipped, words["epoch"], words["share"]),
    ]
    names = dict.fromkeys(name for row in rows for name in row.get("largest_singular_values", {}))
    if names:
        values = {
            name: [row.get("largest_singular_values", {}).get(name, float("nan")) for row in rows]
            for name in names
        }
        title = words["sigma"] if len(names) > 1 else f"{words['sigma']}: {next(iter(names))}"
        charts.append(line_chart(title, epochs, values, words["epoch"], words["value"]))
    return charts
