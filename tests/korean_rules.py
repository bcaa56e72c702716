"""Korean inflection by rule, from the stem alone: it judges the forms that the tables write out."""

BRIGHT = (0, 8)  # the vowels ㅏ ㅗ, by their numbers in Unicode, as all numbers here
NIEUN, RIEUL, SSANG_SIOT = 4, 8, 20  # finals


def parts(syllable: str) -> tuple[int, int, int]:
    code = ord(syllable) - 0xAC00
    return code // 588, code // 28 % 21, code % 28


def syllable(initial: int, vowel: int, final: int = 0) -> str:
    return chr(0xAC00 + 588 * initial + 28 * vowel + final)


def marked(word: str, closed: str, open_: str) -> str:
    return word + (closed if (ord(word[-1]) - 0xAC00) % 28 else open_)


def towards(word: str) -> str:
    return word + ("로" if (ord(word[-1]) - 0xAC00) % 28 in (0, RIEUL) else "으로")


def past(stem: str) -> str:
    """The past stem, by the rules of Korean spelling and its classes of irregular stems."""
    head, (initial, vowel, final) = stem[:-1], parts(stem[-1])
    before = parts(head[-1])[1] if head else None
    if stem.endswith("하"):
        return f"{head}했"
    if stem == "듣":
        return "들었"
    if stem in ("돕", "무겁", "뜨겁", "차갑"):
        return head + syllable(initial, vowel) + ("왔" if stem == "돕" else "웠")
    if stem in ("빨갛", "파랗", "하얗"):
        return head + syllable(initial, vowel + 1, SSANG_SIOT)
    if final:
        return stem + ("았" if vowel in BRIGHT else "었")
    if stem == "부르":
        return head[:-1] + syllable(*parts(head[-1])[:2], RIEUL) + "렀"
    if vowel == 18:  # ㅡ gives way
        return head + syllable(initial, 0 if before in BRIGHT else 4, SSANG_SIOT)
    if vowel == 20:  # ㅣ + ㅓ = ㅕ
        return head + syllable(initial, 6, SSANG_SIOT)
    if stem in ("오", "돌아오"):
        return f"{head}왔"
    if vowel in (0, 1, 4):
        return head + syllable(initial, vowel, SSANG_SIOT)
    return stem + ("았" if vowel in BRIGHT else "었")


def present(stem: str) -> str:
    initial, vowel, final = parts(stem[-1])
    if final in (0, RIEUL):
        return stem[:-1] + syllable(initial, vowel, NIEUN) + "다"
    return f"{stem}는다"


def before_a_noun(stem: str, final_added: int, full: str) -> str:
    """The stem with ㄴ or ㄹ where it can take it, else with 은 or 을."""
    initial, vowel, final = parts(stem[-1])
    if final in (0, RIEUL):
        return stem[:-1] + syllable(initial, vowel, final_added)
    if stem == "듣":
        return "들을"
    if stem in ("돕", "무겁", "뜨겁", "차갑"):
        return stem[:-1] + syllable(initial, vowel) + syllable(11, 13, final_added)
    if stem in ("빨갛", "파랗", "하얗"):
        return stem[:-1] + syllable(initial, vowel, final_added)
    return stem + ("는" if stem.endswith("있") else full)


def inflected(stem: str, tense: str, denied: bool, adjective: bool = False) -> str:
    if denied:
        present_form = "않다" if adjective else "않는다"
        return f"{stem}지 " + {"past": "않았다", "present": present_form}.get(tense, "않을 것이다")
    if tense == "future":
        return f"{before_a_noun(stem, RIEUL, '을')} 것이다"
    if tense == "past":
        return f"{past(stem)}다"
    return f"{stem}다" if adjective else present(stem)
