"""The table of the pages' claims in both READMEs, and that its commands show them."""

import re
import shlex

import pytest
from click.testing import CliRunner
from test_docs import README, check_command
from test_readme import KOREAN

from seqtasks.cli import main
from seqtasks.lessons.booklet import SECTIONS
from seqtasks.lessons.claims import CLAIMS

# These train nothing; all others are run, as small as can be, in tests/lessons/test_lessons.py.
UNTRAINED = (4, 5, 7, 8, 9, 15, 16)


def rows(text):
    """The rows of the table whose commands are of lessons."""
    found = re.findall(r"^\| (\d+) \| ([\d, ]+) \| (.+?) \| `(.+?)` \|$", text, re.MULTILINE)
    return [(int(number), tuple(pages.split(", ")), *rest) for number, pages, *rest in found]


@pytest.mark.parametrize(("text", "language"), [(README, "en"), (KOREAN, "ko")])
def test_the_table_has_all_23_claims_with_page_and_command(text, language):
    assert rows(text) == [
        (claim.number, claim.pages, claim.name.of(language), claim.command) for claim in CLAIMS
    ]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.number))
def test_each_command_can_be_typed_and_asks_for_its_claim(claim):
    arguments = shlex.split(claim.command)
    assert arguments[:1] == ["seqtasks"]
    check_command(tuple(arguments[1:]))
    assert arguments[1:] == ["lesson", "--claim", str(claim.number)]
    assert claim.number in SECTIONS


@pytest.mark.slow
def test_the_commands_show_their_claims_and_no_other(tmp_path):
    asked = [word for number in UNTRAINED for word in ("--claim", str(number))]
    out = tmp_path / "lessons"  # missing, as in a fresh clone
    done = CliRunner().invoke(
        main, ["lesson", *asked, "--small", "--lang", "en", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    shown = set()
    for file in out.glob("*.html"):
        numbers = {int(n) for n in re.findall(r'id="claim-(\d+)"', file.read_text("utf-8"))}
        assert all(file.name.split(".")[0][5:] == CLAIMS[n - 1].pages[0] for n in numbers)
        shown |= numbers
    assert shown == set(UNTRAINED)
