"""How networks are wired: page 001."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seqtasks.inspection.charts import heatmap
from seqtasks.inspection.html_page import figures, table
from seqtasks.lessons.code import Place
from seqtasks.lessons.figures import pixels, weighed
from seqtasks.lessons.lesson import Figure, Section
from seqtasks.lessons.words import Both
from seqtasks.lessons.workshop import Workshop

_REVIEW_KO, _REVIEW_EN = "영화가 정말 좋았다", "I would not say that the film was good"


def _review(workshop: Workshop) -> str:
    return workshop.word(_REVIEW_EN, _REVIEW_KO)


def _reviews(workshop: Workshop) -> Any:
    """A run on the toy reviews, which many to one and both directions share."""
    return workshop.train(
        "reviews",
        "sentiment",
        model__arch="bilstm",
        model__units=workshop.size(32, 4),
        model__embedding_units=workshop.size(32, 4),
        training__epochs=workshop.size(8, 1),
        training__learning_rate=6e-3,
        training__target=0.99,
    )


def _tags(workshop: Workshop) -> Figure:
    run = workshop.train(
        "tags",
        "tagging",
        text__unit="word",
        model__units=workshop.size(32, 4),
        model__embedding_units=workshop.size(32, 4),
        training__epochs=1,
    )
    (answer,) = workshop.predictor(run).predict([_review(workshop)])
    columns = [f"t = {n + 1}" for n in range(len(answer.tokens))]
    rows = [
        [workshop.word("input", "입력"), *answer.tokens],
        ["", *["↓"] * len(answer.tokens)],
        [workshop.word("output", "출력"), *answer.tags],
    ]
    many = len(answer.tokens)
    return Figure(
        [table(["", *columns], rows)],
        workshop.word(
            f"{many} tokens went in and {many} tags came out, one a step.",
            f"토큰 {many}개가 들어가 태그 {many}개가 나왔습니다. 시각마다 하나씩입니다.",
        ),
    )


def _translation(workshop: Workshop) -> Figure:
    run = workshop.train(
        "translation",
        "translation",
        model__units=workshop.size(64, 4),
        model__embedding_units=workshop.size(64, 4),
        training__epochs=workshop.size(4, 1),
        training__learning_rate=4e-3,
        decoding__max_length=workshop.size(40, 8),
    )
    (answer,) = workshop.predictor(run).predict(["I read the old book in the library yesterday ."])
    picture = heatmap(
        workshop.word("Attention: where the decoder looked", "어텐션: 디코더가 본 곳"),
        answer.attention,
        answer.target_tokens,
        answer.source_tokens,
        most=1.0,
    )
    return Figure(
        [picture],
        workshop.word(
            f"{len(answer.source_tokens)} tokens were read to the end, and then "
            f"{len(answer.target_tokens)} were written: {answer.translation!r}.",
            f"토큰 {len(answer.source_tokens)}개를 끝까지 읽은 다음 "
            f"{len(answer.target_tokens)}개를 썼습니다: '{answer.translation}'.",
        ),
    )


def _one_and_many(workshop: Workshop) -> Figure:
    review = _review(workshop)
    (answer,) = workshop.predictor(_reviews(workshop)).predict([review])
    run = workshop.train(
        workshop.word("captions", "captions-ko"),
        "captioning",
        data__source=workshop.word("digits", "digits-ko"),
        model__units=workshop.size(64, 8),
        training__epochs=workshop.size(12, 1),
        training__learning_rate=5e-3,
    )
    from seqtasks.tasks.captioning import examples

    captioner = workshop.predictor(run)
    splits = workshop.splits(run.config)
    shown = examples(captioner.codec, splits.test or splits.validation)
    images: Any = shown.images[:5]
    captions = captioner.texts(replace(shown, images=images, lengths=shown.lengths[:5]), beam=1)
    head = [workshop.word("input", "입력"), "", workshop.word("output", "출력")]
    rows = [[review, "→", f"{answer.label} {answer.probability:.3f}"]]
    rows += [
        [pixels(image[:, :, 0]), "→", caption]
        for image, caption in zip(images, captions, strict=True)
    ]
    many = len(review.split())
    return Figure(
        [table(head, rows)],
        workshop.word(
            f"Above, {many} words became one answer; below, each image became a word, written "
            f"letter by letter.",
            f"위에서는 낱말 {many}개가 답 하나가 되었고, 아래에서는 이미지 하나하나가 "
            "글자를 차례로 이어 쓴 낱말이 되었습니다.",
        ),
    )


def _both_directions(workshop: Workshop) -> Figure:
    """How much of each word is in each output of either direction: |∂h_t/∂x_s|."""
    import numpy as np
    import tensorflow as tf

    from seqtasks.topologies.recurrent_stack import layers_of

    predictor = workshop.predictor(_reviews(workshop))
    review = _review(workshop)
    encoder, model = predictor.codec.encoder, predictor.model
    words = [word.decode() for word in encoder.split(tf.constant([review])).to_list()[0]]
    vectors = tf.convert_to_tensor(model.get_layer("text")(encoder(tf.constant([review]))))
    kinds = [layer for layer in model.layers if type(layer).__name__ == "Bidirectional"]
    (both,) = layers_of(kinds[0])
    steps = range(len(words))
    parts = []
    for layer, backwards in ((both.layer, False), (both.backward_layer, True)):
        reach = np.zeros((len(words), len(words)))
        for t in steps:
            with tf.GradientTape() as tape:
                tape.watch(vectors)
                part = vectors[:, t:] if backwards else vectors[:, : t + 1]
                size = tf.norm(layer(part))
            gradient: Any = tape.gradient(size, vectors)
            reach[t] = np.linalg.norm(gradient[0], axis=1)
        parts.append(reach)
    forward, backward = parts
    names = (
        (workshop.word("forwards", "앞으로"), forward),
        (workshop.word("backwards", "거꾸로"), backward),
        (workshop.word("both", "두 방향"), np.hypot(forward, backward)),
    )
    charts = [heatmap(name, reach.tolist(), words, words) for name, reach in names]
    unread = int((forward[0] == 0).sum())
    return Figure(
        [figures(charts, workshop.language)],
        workshop.word(
            f"At the first word {unread} of {len(words)} words haven't been read by the forward "
            "layer; together the two know all of them at each step.",
            f"첫 낱말에서 앞으로 읽는 층은 낱말 {len(words)}개 가운데 {unread}개를 아직 읽지 "
            "못했지만, 둘을 합치면 모든 시각이 모든 낱말을 압니다.",
        ),
    )


def _hierarchy(workshop: Workshop) -> Figure:
    run = workshop.train(
        "documents",
        "documents",
        model__arch="bigru",
        model__units=workshop.size(24, 4),
        model__embedding_units=workshop.size(24, 4),
        training__epochs=workshop.size(5, 1),
        training__learning_rate=8e-3,
        training__target=0.99,
    )

    splits = workshop.splits(run.config)
    test = splits.test or splits.validation
    korean = [bool(set(text) & set("다요")) for text in test.texts]
    number = korean.index(workshop.language == "ko")
    (answer,) = workshop.predictor(run).predict([test.texts[number]])
    attended = answer.attention or []
    most = max(attended, key=lambda sentence: sentence.weight)
    sentence = " ".join(word for word, _ in most.words)
    label = f"{answer.label} {answer.probability:.3f}"
    return Figure(
        [weighed([(one.weight, one.words) for one in attended])],
        workshop.word(
            f"{label}: of {len(attended)} sentences one has {most.weight:.0%} of the attention: "
            f"{sentence!r}.",
            f"{label}: 문장 {len(attended)}개 가운데 하나가 어텐션의 {most.weight:.0%}를 "
            f"받았습니다: '{sentence}'.",
        ),
    )


SECTIONS = (
    Section(
        18,
        Both(
            "A tagger reads a word and answers at once, then the next. The layer returns its "
            "output at every step, and one and the same dense layer reads the tag off each. What "
            "has been read before is in the state, so a word's tag can depend on its context.",
            "태거는 낱말 하나를 읽을 때마다 답을 하나씩 냅니다. 층은 모든 시각의 출력을 돌려주고, "
            "시각마다 같은 dense 층이 그 출력에서 태그를 읽어 냅니다. 앞서 읽은 것은 상태에 들어 "
            "있으므로, 낱말의 태그는 문맥을 따를 수 있습니다.",
        ),
        (Place("topologies.many_to_many:many_to_many", "h = stack(", 3),),
        _tags,
        ("y_t = softmax(h_t W + b)",),
    ),
    Section(
        19,
        Both(
            "An encoder reads the whole sentence; its states are where a decoder begins, which "
            "writes the other sentence word by word and reads what it has written itself. "
            "Attention lets it look back at every word of the source, and the picture shows where "
            "it looked as it wrote.",
            "인코더가 문장을 끝까지 읽고, 그 상태에서 디코더가 시작합니다. 디코더는 자기가 쓴 "
            "낱말을 읽어 가며 다른 문장을 한 낱말씩 씁니다. 어텐션은 쓰는 동안 원문의 모든 "
            "낱말을 돌아보게 해 주며, 그림은 어느 낱말을 쓸 때 어디를 보았는지 보여 줍니다.",
        ),
        (
            Place("topologies.seq2seq:Seq2Seq.encode", "states = [bridge"),
            Place("topologies.seq2seq:Seq2Seq.call", "prepared, states = self.encode"),
            Place("layers.attention:Attention.call", "weights = masked_softmax"),
        ),
        _translation,
        ("s_0 = tanh(h_T W + b)", "p(y_t) = softmax(s_t W + b)"),
    ),
    Section(
        20,
        Both(
            "Only the last state counts where a review gets one label: it has read all words. "
            "The other way round an image is read once, gives the first state, and the network "
            "writes on from there, a letter at each step, until it writes the end.",
            "리뷰 하나에 레이블 하나를 줄 때는 마지막 상태만 씁니다. 모든 낱말을 읽은 상태이기 "
            "때문입니다. 거꾸로 이미지는 한 번 읽혀 첫 상태가 되고, 신경망은 거기서부터 시각마다 "
            "글자 하나씩, 끝을 쓸 때까지 써 나갑니다.",
        ),
        (
            Place("topologies.many_to_one:many_to_one", "h = stack(x, mask=mask)"),
            Place("topologies.one_to_many:OneToMany.encode", "keras.ops.tanh(bridge(seen))"),
        ),
        _one_and_many,
        ("y = softmax(h_T W + b)", "h_0 = tanh(v W + b)"),
    ),
    Section(
        21,
        Both(
            "A second layer that runs from the end to the beginning is joined to the first. Each "
            "cell of the picture says how much the output in its row depends on the word in its "
            "column. Forwards, the part above the diagonal is empty: what comes later isn't known "
            "yet. Backwards it is the part below.",
            "끝에서 처음으로 읽는 층을 하나 더 두고 출력을 나란히 잇습니다. 그림의 칸은 그 행의 "
            "출력이 그 열의 낱말에 얼마나 달려 있는지 말합니다. 앞으로 읽을 때는 대각선 위가 "
            "비어 있습니다. 나중에 올 것은 아직 모르기 때문입니다. 거꾸로 읽을 때는 대각선 "
            "아래가 빕니다.",
        ),
        (
            Place("layers.bidirectional:Bidirectional._merged", "outputs = _MERGED"),
            Place("layers.stacked:Stacked.call", "x = x + outputs"),
        ),
        _both_directions,
        ("h_t = [h_t^(→) h_t^(←)]",),
    ),
    Section(
        22,
        Both(
            "Words are read into a vector for each sentence, and the sentences' vectors into one "
            "for the document. On both levels attention gives each part a weight, and the weights "
            "add up to 1. In these toy reviews a single sentence decides, and nobody has told the "
            "network which.",
            "낱말을 읽어 문장마다 벡터를 만들고, 문장의 벡터를 읽어 문서의 벡터를 만듭니다. 두 "
            "단계 모두에서 어텐션이 부분마다 무게를 주며, 무게의 합은 1입니다. 이 장난감 "
            "리뷰에서는 "
            "문장 하나가 답을 정하는데, 어느 문장인지는 아무도 알려 주지 않았습니다.",
        ),
        (Place("topologies.hierarchical:_Level.call", "weights = self.pooling", 2),),
        _hierarchy,
        ("v = Σ α_t h_t", "Σ α_t = 1"),
    ),
)
