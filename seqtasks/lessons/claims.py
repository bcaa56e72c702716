"""What the five pages claim and picture, in our own words: 23 rows, each seen by one command."""

from __future__ import annotations

from dataclasses import dataclass

from seqtasks.errors import ConfigError, did_you_mean
from seqtasks.lessons.words import Both

PAGES = ("000", "001", "002", "003", "004")


@dataclass(frozen=True)
class Claim:
    """What one or several pages say or show.

    Attributes:
        number: 1 to 23.
        pages: the pages that make it, such as ("000", "002").
        name: a heading.
        says: the claim in a sentence.
    """

    number: int
    pages: tuple[str, ...]
    name: Both
    says: Both

    @property
    def command(self) -> str:
        """What shows the claim."""
        return f"seqtasks lesson --claim {self.number}"


def _claim(number: int, pages: str, name: Both, says: Both) -> Claim:
    return Claim(number, tuple(pages.split()), name, says)


CLAIMS = (
    _claim(
        1,
        "000",
        Both("Who was greeted?", "누구에게 인사했을까?"),
        Both(
            "A name at a story's beginning decides its last word, and a plain RNN loses the name "
            "when enough is told in between.",
            "이야기의 첫머리에 나온 이름이 마지막 낱말을 정하는데, 사이에 다른 이야기가 길어지면 "
            "기본 RNN은 그 이름을 놓칩니다.",
        ),
    ),
    _claim(
        2,
        "003",
        Both("What is left of the first words", "첫 낱말은 얼마나 남아 있을까"),
        Both(
            "By the time the blank about the mood has to be filled, little of the puppy met in the "
            "morning is left in an RNN's state.",
            "기분을 묻는 빈칸에 이르면, 아침에 만난 강아지는 RNN의 상태에 거의 남아 있지 않습니다.",
        ),
    ),
    _claim(
        3,
        "000 002 004",
        Both("The gradient shrinks on its way back", "기울기는 거슬러 가며 작아집니다"),
        Both(
            "Back-propagation through time hands the gradient from step to step, and on a long way "
            "through an RNN nearly nothing arrives at the early steps.",
            "BPTT는 기울기를 시각에서 시각으로 넘겨 주는데, RNN에서는 길이 길면 앞쪽 시각에 "
            "거의 아무것도 닿지 않습니다.",
        ),
    ),
    _claim(
        4,
        "000 002",
        Both("tanh and its derivative", "tanh와 그 미분"),
        Both(
            "The derivative of tanh lies between 0 and 1, so every tanh on the way back takes "
            "something off the gradient.",
            "tanh의 미분은 0과 1 사이에 있으므로, 거슬러 가는 길에 만나는 tanh마다 기울기를 "
            "깎습니다.",
        ),
    ),
    _claim(
        5,
        "002",
        Both("The same W_h again and again", "같은 W_h를 거듭 곱하면"),
        Both(
            "On its way back the gradient is multiplied with one and the same matrix; whether it "
            "explodes or vanishes is decided by the singular values of W_h.",
            "기울기는 거슬러 가며 똑같은 행렬과 거듭 곱해지고, 폭발할지 소실될지는 W_h의 "
            "특잇값이 정합니다.",
        ),
    ),
    _claim(
        6,
        "002",
        Both("Gradient clipping", "기울기 클리핑"),
        Both(
            "All gradients are taken as one vector; where its norm is above a threshold, it is "
            "scaled down to it.",
            "모든 기울기를 벡터 하나로 보고, 그 노름이 임계값을 넘으면 임계값까지 줄입니다.",
        ),
    ),
    _claim(
        7,
        "002",
        Both("Truncated back-propagation", "Truncated BPTT"),
        Both(
            "What back-propagation must keep grows with the length of the sequence; cut into "
            "windows, it stays the same, and the state is carried on all the same.",
            "역전파를 위해 붙들고 있을 것은 시퀀스 길이만큼 늘어나지만, 창으로 자르면 일정하게 "
            "유지되고 상태는 그대로 이어집니다.",
        ),
    ),
    _claim(
        8,
        "000 002 003 004",
        Both("The six equations of the LSTM", "LSTM의 여섯 식"),
        Both(
            "Three gates, a candidate, a memory and an output: six equations are the whole LSTM, "
            "whatever letters a page gives them.",
            "게이트 셋, 후보, 기억, 출력. 페이지마다 글자는 달라도 이 여섯 식이 LSTM의 전부입니다.",
        ),
    ),
    _claim(
        9,
        "002",
        Both("Four products in one", "네 번의 곱을 한 번에"),
        Both(
            "The four affine maps of the LSTM, put side by side in one matrix, are a single "
            "affine map with the same result.",
            "LSTM의 아핀 변환 네 개를 한 행렬에 나란히 놓으면, 결과가 같은 아핀 변환 "
            "하나가 됩니다.",
        ),
    ),
    _claim(
        10,
        "000",
        Both("The GRU's four equations", "GRU의 네 식"),
        Both(
            "With r = 0 the new state knows nothing of the past; z alone both forgets and takes "
            "in.",
            "r이 0이면 새 상태는 과거를 전혀 모르고, z 하나가 잊는 일과 받아들이는 일을 "
            "함께 합니다.",
        ),
    ),
    _claim(
        11,
        "000 003",
        Both("A gate is a valve", "게이트는 밸브입니다"),
        Both(
            "A gate is a number between 0 and 1 that says how much passes, and training finds out "
            "when to open it.",
            "게이트는 얼마나 흘려보낼지 말하는 0과 1 사이의 수이고, 언제 열지는 학습이 알아냅니다.",
        ),
    ),
    _claim(
        12,
        "000 003",
        Both("Long memory and short memory", "장기 기억과 단기 기억"),
        Both(
            "c keeps what will be needed later, h is what is said now.",
            "c는 나중에 쓸 것을 간직하고, h는 지금 내보내는 값입니다.",
        ),
    ),
    _claim(
        13,
        "003",
        Both("STEP (1) to (4) with numbers", "숫자로 보는 STEP (1)~(4)"),
        Both(
            "Each gate is computed in a few steps: a linear map, σ or tanh, and a product element "
            "by element.",
            "게이트 하나하나는 몇 단계로 계산됩니다. 선형 변환, σ나 tanh, 그리고 원소별 곱입니다.",
        ),
    ),
    _claim(
        14,
        "000 002",
        Both("The way back along c", "c를 따라 거슬러 가는 길"),
        Both(
            "Along c the gradient meets only + and ⊙, so it is the forget gates that decide how "
            "much of it passes.",
            "c를 따라가는 기울기는 +와 ⊙만 만나므로, 얼마나 지나갈지는 forget 게이트가 정합니다.",
        ),
    ),
    _claim(
        15,
        "000",
        Both("From outside like an RNN", "밖에서 보면 RNN과 같습니다"),
        Both(
            "The memory c stays inside: what the next layer receives from an LSTM has the form of "
            "what it receives from an RNN.",
            "기억 c는 안에만 머무릅니다. 다음 층이 LSTM에서 받는 것은 RNN에서 받는 것과 같은 "
            "모양입니다.",
        ),
    ),
    _claim(
        16,
        "000 002",
        Both("The GRU is smaller", "GRU가 더 작습니다"),
        Both(
            "The GRU has two gates and no c: three quarters of the LSTM's parameters and products.",
            "GRU는 게이트가 둘이고 c가 없습니다. 매개변수와 곱셈이 LSTM의 4분의 3입니다.",
        ),
    ),
    _claim(
        17,
        "000",
        Both("LSTM or GRU?", "LSTM이냐 GRU냐"),
        Both(
            "Which of the two is better depends on the task and the settings; the GRU is a good "
            "choice where data are few.",
            "어느 쪽이 나은지는 과제와 설정에 달려 있습니다. 데이터가 적으면 GRU가 좋은 "
            "선택일 수 있습니다.",
        ),
    ),
    _claim(
        18,
        "001",
        Both("Many to many, step by step", "여럿에서 여럿, 시각마다 하나씩"),
        Both(
            "Each input has its own output, as each word has its tag.",
            "입력마다 출력이 하나씩 있습니다. 낱말마다 품사가 있듯이 말입니다.",
        ),
    ),
    _claim(
        19,
        "001",
        Both("Sequence to sequence", "시퀀스에서 시퀀스로"),
        Both(
            "One sequence is read to its end, and then another is written, as in translation.",
            "시퀀스 하나를 끝까지 읽고 나서 다른 시퀀스를 써 냅니다. 번역이 그렇습니다.",
        ),
    ),
    _claim(
        20,
        "001",
        Both("Many to one, one to many", "여럿에서 하나, 하나에서 여럿"),
        Both(
            "Many words become one answer, and one image becomes many letters.",
            "여러 낱말이 답 하나가 되고, 이미지 하나가 여러 글자가 됩니다.",
        ),
    ),
    _claim(
        21,
        "001",
        Both("Several layers, both directions", "여러 층, 두 방향"),
        Both(
            "Layers can be stacked, and a second one can read from the end, so that every step "
            "knows the whole text.",
            "층을 쌓을 수 있고, 끝에서부터 읽는 층을 더하면 모든 시각이 글 전체를 알게 됩니다.",
        ),
    ),
    _claim(
        22,
        "001",
        Both("A hierarchy with attention", "어텐션이 있는 계층 구조"),
        Both(
            "Words make sentences and sentences make a document, and attention weighs both.",
            "낱말이 문장을, 문장이 문서를 이루고, 어텐션이 둘 모두의 무게를 잽니다.",
        ),
    ),
    _claim(
        23,
        "002",
        Both("The three models compared", "세 모델의 비교"),
        Both(
            "RNN, LSTM and GRU side by side on one task: size, work, time and score.",
            "RNN, LSTM, GRU를 한 과제에서 나란히 봅니다. 크기, 계산량, 시간, 점수입니다.",
        ),
    ),
)


def find_claim(number: int) -> Claim:
    """The claim of a number.

    Raises:
        ConfigError: there is none.
    """
    for claim in CLAIMS:
        if claim.number == number:
            return claim
    raise ConfigError(f"--claim {number}: expected a number from 1 to {len(CLAIMS)}")


def claims_of(page: str) -> tuple[Claim, ...]:
    """The claims of a page.

    Raises:
        ConfigError: there is no such page.

    >>> [claim.number for claim in claims_of("004")]
    [3, 8]
    """
    if page not in PAGES:
        raise ConfigError(f"no page {page!r}{did_you_mean(page, PAGES)}; there are: {PAGES}")
    return tuple(claim for claim in CLAIMS if page in claim.pages)
