"""The five lessons, a page each: what the page is about, and how it says what it claims."""

from __future__ import annotations

from seqtasks.errors import ConfigError
from seqtasks.lessons.claims import PAGES
from seqtasks.lessons.lesson import Lesson
from seqtasks.lessons.words import Both

LESSONS = (
    Lesson(
        "000",
        "LSTM & GRU (Soohwan Kim, 2020)",
        Both(
            "Why a plain RNN forgets, how the LSTM's gates and its memory cell mend it, and how "
            "the GRU does nearly as much with less.",
            "기본 RNN이 왜 잊는지, LSTM의 게이트와 기억 셀이 그것을 어떻게 고치는지, GRU가 "
            "더 적은 것으로 어떻게 비슷한 일을 하는지 봅니다.",
        ),
        {
            1: Both(
                "The page tells of Sooft, who watches TV, and of Ware, who comes in and greets "
                "somebody. Here they and six others meet in many such stories, and more is told "
                "before the greeting.",
                "이 페이지에는 TV를 보는 Sooft와, 방에 들어와 누군가에게 인사하는 Ware가 "
                "나옵니다. 여기서는 두 사람과 다른 여섯 사람이 그런 이야기 여럿에서 만나고, "
                "인사하기까지 다른 일도 일어납니다.",
            ),
            3: Both(
                "The page draws the layers of an RNN side by side and an arrow that gets thinner.",
                "이 페이지는 RNN 계층을 옆으로 펼치고, 점점 가늘어지는 화살표를 그립니다.",
            ),
            4: Both(
                "The page shows both curves and looks at the lower one.",
                "이 페이지는 두 곡선을 보여 주고 아래쪽 곡선에 주목합니다.",
            ),
            8: Both(
                "The page adds one gate after the other, the output gate first.",
                "이 페이지는 output 게이트부터 시작해 게이트를 하나씩 더합니다.",
            ),
            10: Both(
                "The page gives the four equations as a picture and fixes in words which part of "
                "each is which.",
                "이 페이지는 네 식을 그림으로 보이고, 어느 부분이 어떤 역할인지는 말로 정합니다.",
            ),
            11: Both(
                "The page compares a gate with a sluice that may stand half open.",
                "이 페이지는 게이트를 반쯤 열어 둘 수도 있는 물길의 문에 견줍니다.",
            ),
            12: Both(
                "The page calls h the short-term and c the long-term state.",
                "이 페이지는 h를 단기 상태, c를 장기 상태라고 부릅니다.",
            ),
            14: Both(
                "The page follows only the memory cell and finds no matrix product on its way "
                "back.",
                "이 페이지는 기억 셀만 따라가며, 거슬러 가는 길에 행렬 곱이 없음을 보입니다.",
            ),
            15: Both(
                "The page puts the two layers beside each other as boxes with arrows.",
                "이 페이지는 두 계층을 화살표가 달린 상자로 나란히 놓습니다.",
            ),
            16: Both(
                "The page counts equations: four instead of six.",
                "이 페이지는 식의 수를 셉니다. 여섯이 아니라 넷입니다.",
            ),
            17: Both(
                "The page leaves it open, and so must a single run. Hence several seeds.",
                "이 페이지는 답을 열어 둡니다. 한 번의 실행으로는 말할 수 없으므로 시드를 여러 "
                "개 씁니다.",
            ),
        },
    ),
    Lesson(
        "001",
        "Recurrent Neural Network(RNN)와 Long Short Term Memory(LSTM) (2018)",
        Both(
            "What can be built of one recurrent cell: inputs and outputs of one or many, several "
            "layers, two directions, and levels.",
            "순환 셀 하나로 무엇을 지을 수 있는지 봅니다. 하나 또는 여럿인 입력과 출력, 여러 층, "
            "두 방향, 그리고 계층입니다.",
        ),
        {
            18: Both(
                "The first of the page's drawings: each circle has one above.",
                "이 페이지의 첫 번째 그림입니다. 아래의 동그라미마다 위에 동그라미가 하나 "
                "있습니다.",
            ),
            19: Both(
                "The fourth drawing, with English to Korean as its example, as here.",
                "네 번째 그림이고, 여기서처럼 영한 번역을 예로 듭니다.",
            ),
            20: Both(
                "The page's examples are a review's sentiment and an image's description.",
                "이 페이지는 리뷰의 감성과 이미지의 설명을 예로 듭니다.",
            ),
            21: Both(
                "The page wonders whether an LSTM can go both ways at all. It can: two layers of "
                "it, each with weights of its own.",
                "이 페이지는 LSTM도 양방향이 되는지 궁금해합니다. 됩니다. 저마다 가중치를 가진 두 "
                "층을 쓰면 됩니다.",
            ),
            22: Both(
                "The page ends with a picture of such a network for short messages (Feng et al. "
                "2018).",
                "이 페이지는 짧은 글에 쓰인 그런 신경망의 그림으로 끝납니다(Feng et al. 2018).",
            ),
        },
    ),
    Lesson(
        "002",
        "LSTM 모델 개요 (양석환)",
        Both(
            "Where gradients explode and vanish, what is done about either, and how an LSTM "
            "computes all its gates at once.",
            "기울기가 어디서 폭발하고 소실되는지, 각각 어떻게 다루는지, LSTM이 모든 게이트를 "
            "어떻게 한 번에 계산하는지 봅니다.",
        ),
        {
            3: Both(
                "The page names three stations on the way back: tanh, + and the matrix product.",
                "이 페이지는 거슬러 가는 길의 세 정거장을 꼽습니다. tanh, +, 행렬 곱입니다.",
            ),
            4: Both(
                "The page writes the derivative by y itself, 1 - y², and so does our code.",
                "이 페이지는 미분을 y 자신으로, 1 - y²로 씁니다. 우리 코드도 그렇습니다.",
            ),
            5: Both(
                "The page repeats the product, halves W_h and repeats it once more.",
                "이 페이지는 곱을 되풀이해 보고, W_h를 절반으로 줄여 다시 해 봅니다.",
            ),
            6: Both(
                "The page gives the rule in two lines, for the gradients of all parameters "
                "together.",
                "이 페이지는 모든 매개변수의 기울기를 한데 묶어 규칙을 두 줄로 씁니다.",
            ),
            7: Both(
                "The page counts what it costs to keep the steps of a long sequence in memory.",
                "이 페이지는 긴 시퀀스의 중간 데이터를 메모리에 두는 비용을 따집니다.",
            ),
            8: Both(
                "The page multiplies from the left, x W, as our code does, and calls the "
                "candidate g.",
                "이 페이지는 우리 코드처럼 x W의 차례로 곱하고, 후보를 g라고 부릅니다.",
            ),
            9: Both(
                "The page puts the four in the order f, g, i, o. Our W_x has the same order.",
                "이 페이지는 네 개를 f, g, i, o의 차례로 놓습니다. 우리 W_x의 차례도 같습니다.",
            ),
            14: Both(
                "The page asks how gates can cure vanishing, and answers with the two kinds of "
                "node on c's way back.",
                "이 페이지는 게이트가 어떻게 소실을 막는지 묻고, c가 거슬러 가는 길에 있는 두 "
                "종류의 "
                "노드로 답합니다.",
            ),
            16: Both(
                "The page calls the GRU an LSTM with the unnecessary left out.",
                "이 페이지는 GRU를 불필요한 것을 덜어 낸 LSTM으로 봅니다.",
            ),
            23: Both(
                "The page ends with the three cells drawn beside each other.",
                "이 페이지는 세 셀을 나란히 그리며 끝납니다.",
            ),
        },
    ),
    Lesson(
        "003",
        "LSTM: Gate를 도입해 RNN의 한계를 완화한 모델",
        Both(
            "The LSTM once more and slowly: every gate step by step, and why σ stands in one "
            "place and tanh in another.",
            "LSTM을 다시, 천천히 봅니다. 게이트를 한 단계씩 따라가며, 왜 어디는 σ이고 어디는 "
            "tanh인지 봅니다.",
        ),
        {
            2: Both(
                "The page's puppy is met on the way to work, and the network's memory is drawn as "
                "circles in which a red share gets smaller. That share is measured here, in many "
                "such days: somebody else meets another animal, and the day goes on.",
                "이 페이지는 출근길에 강아지를 만나고, 신경망의 기억을 동그라미로 그려 붉은 몫이 "
                "줄어드는 것을 보입니다. 여기서는 그런 하루의 이야기로 그 몫을 잽니다. 다른 사람은 "
                "다른 동물을 만나고, 하루는 계속됩니다.",
            ),
            8: Both(
                "The page writes c̃ for the candidate and Z for the sum before σ or tanh: its Z_f "
                "is "
                "the f block of our affine map, and its c̃_t is our g.",
                "이 페이지는 후보를 c̃로, σ나 tanh 앞의 합을 Z로 씁니다. Z_f는 우리 아핀 변환의 f "
                "블록이고, c̃_t는 우리의 g입니다.",
            ),
            11: Both(
                "The page thinks of a bath with a tap for hot and one for cold water.",
                "이 페이지는 온수와 냉수의 꼭지가 따로 있는 목욕탕을 떠올립니다.",
            ),
            12: Both(
                "The page asks why a cell state is needed beside h, and shares the work between "
                "them.",
                "이 페이지는 h가 있는데 왜 셀 상태가 필요한지 묻고, 둘에게 일을 나누어 줍니다.",
            ),
            13: Both(
                "The page numbers its steps; the table below has the same numbers.",
                "이 페이지는 단계에 번호를 매깁니다. 아래 표의 번호도 같습니다.",
            ),
        },
    ),
    Lesson(
        "004",
        "LSTM 공부한거 정리 (2023)",
        Both(
            "A student's summary: the trouble with the RNN in a paragraph, and the LSTM gate by "
            "gate.",
            "공부한 것을 정리한 글입니다. RNN의 문제를 한 문단에, LSTM을 게이트마다 한 절에 "
            "담았습니다.",
        ),
        {
            3: Both(
                "The page says it from the other end: what the early steps said is left out of "
                "account.",
                "이 페이지는 반대쪽에서 말합니다. 앞쪽 시각의 정보가 고려되지 않는다는 것입니다.",
            ),
            8: Both(
                "The page writes the gate's letter as an index of the matrix: its W_xf is our "
                "W_x^(f), its W_hf our W_h^(f), transposed, since it multiplies from the right.",
                "이 페이지는 게이트의 글자를 행렬의 첨자로 씁니다. W_xf는 우리 W_x^(f)를, W_hf는 "
                "우리 W_h^(f)를 전치한 것입니다. 곱하는 차례가 반대이기 때문입니다.",
            ),
        },
    ),
)


def find_lesson(number: int) -> Lesson:
    """Lesson 1 is page 000, and so on.

    Raises:
        ConfigError: there is no such lesson.
    """
    if not 1 <= number <= len(PAGES):
        raise ConfigError(
            f"lesson {number}: expected a number from 1 to {len(PAGES)}; see seqtasks lesson --list"
        )
    return LESSONS[number - 1]
