"""Files in the forms that the field's tools write: each is read right, or refused in one line.

All lines are made up here. A case has the file's name and content, what is stated of it as keys of
`data`, and what must be read: the first example, or a part of the refusal.
"""

import io
import json
import zipfile

import pytest

from seqtasks.config import parse_config
from seqtasks.errors import SeqtasksError
from seqtasks.tasks.sources import read_part

FILM = "Fine film .", "pos"
ROWS = "Fine film .{0}pos\nWeak plot .{0}neg\nGood cast .{0}pos\n"
HEADED = "text{0}label\n" + ROWS
TOKENS = "Ann B-PER\nran O\n\nRome B-LOC\nfell O\n"
ANN = ["Ann", "ran"], ["B-PER", "O"]
BIG = "".join(f"{n}{{0}}Mild day {n} .{{0}}{('low', 'high')[n % 2]}\n" for n in range(30))
STARS = "".join(f"fine day {n}\t{n % 5}.0\n" for n in range(40))


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


LABELLED = {
    # Tabs, commas and what spreadsheets make of them
    "tabs": ("a.tsv", ROWS.format("\t"), {}, FILM),
    "commas": ("a.csv", HEADED.format(","), {}, FILM),
    "semicolons of a European Excel": ("a.csv", HEADED.format(";"), {}, FILM),
    "semicolons and decimal commas": (
        "a.csv",
        'text;n;label\n"It was 3,5 of 5";3,5;pos\nBad, really;1,0;neg\n',
        {},
        ("It was 3,5 of 5", "pos"),
    ),
    "Excel's sep line": ("a.csv", "sep=;\n" + HEADED.format(";"), {}, FILM),
    "pipes": ("a.csv", HEADED.format("|"), {}, FILM),
    "tabs in .csv": ("a.csv", HEADED.format("\t"), {}, FILM),
    "commas in .txt": ("a.txt", ROWS.format(","), {}, FILM),
    "semicolons in .tsv": ("a.tsv", ROWS.format(";"), {}, FILM),
    "a stated delimiter": ("a.txt", ROWS.format("|"), {"delimiter": "pipe"}, FILM),
    "a delimiter stated wrong": ("a.tsv", ROWS.format("\t"), {"delimiter": "pipe"}, "pipe-sep"),
    "a byte order mark": ("a.csv", "\ufeff" + HEADED.format(","), {}, FILM),
    "Windows' line ends": ("a.csv", HEADED.format(";").replace("\n", "\r\n"), {}, FILM),
    "trailing delimiters": ("a.csv", HEADED.format(",").replace("\n", ",,,\n"), {}, FILM),
    "trailing rows": ("a.csv", HEADED.format(",") + ",,,\n,,,\n", {}, FILM),
    "trailing rows of tabs": ("a.tsv", ROWS.format("\t") + "\t\t\n", {}, FILM),
    "an unquoted comma": (
        "a.csv",
        HEADED.format(",") + "Good, really,pos\n",
        {},
        "line 5: expected 2 comma-separated columns as in the header, received 3",
    ),
    "an index column": (
        "a.csv",
        ",text,label\n0,Fine film .,pos\n1,Weak plot .,neg\n",
        {},
        FILM,
    ),
    "names in capitals": (
        "a.csv",
        HEADED.format(",").replace("text,label", "Text,LABEL"),
        {},
        FILM,
    ),
    "one known name of two": (
        "a.csv",
        HEADED.format(",").replace("text", "review"),
        {},
        FILM,
    ),
    "unknown names": (
        "a.csv",
        HEADED.format(",").replace("text,label", "review,stars"),
        {},
        "columns found: 'review', 'stars'",
    ),
    "named columns": (
        "a.csv",
        HEADED.format(",").replace("text,label", "review,stars"),
        {"text_column": "review", "label_column": "stars"},
        FILM,
    ),
    "comments": ("a.tsv", "# made up\n" + ROWS.format("\t"), {"comment": "#"}, FILM),
    "comments in CSV": ("a.csv", "% x, y\n" + HEADED.format(","), {"comment": "%"}, FILM),
    # Headers
    "a header of TSV": ("a.tsv", HEADED.format("\t"), {}, "give --header"),
    "a header, given": ("a.tsv", HEADED.format("\t"), {"header": True}, FILM),
    "no header, given": ("a.tsv", HEADED.format("\t"), {"header": False}, ("text", "label")),
    "another header": (
        "a.tsv",
        HEADED.format("\t").replace("text\tlabel", "review\tsentiment"),
        {},
        "give --header",
    ),
    "a header beside numbers": ("a.tsv", "phrase\thow much\n" + STARS, {}, "give --header"),
    "a header of its own words": (
        "a.tsv",
        "what was said\tbox\n" + "".join(f"fine day {n}\t{'xy'[n % 2]}\n" for n in range(30)),
        {},
        "the label 'box' stands in this row only",
    ),
    "a first row that has its label alone in few": (
        "a.tsv",
        "odd\tmixed\n" + ROWS.format("\t"),
        {},
        ("odd", "mixed"),
    ),
    # Columns
    "id, text, label": ("a.tsv", BIG.format("\t"), {}, "--text-column"),
    "id, text, label, by number": (
        "a.tsv",
        BIG.format("\t"),
        {"text_column": 1, "label_column": 2},
        ("Mild day 0 .", "low"),
    ),
    "label before text": (
        "a.tsv",
        "".join(f"{('low', 'high')[n % 2]}\tday {n}\n" for n in range(60)),
        {},
        "give --text-column 1 --label-column 0",
    ),
    "fastText": ("a.txt", "__label__pos Fine film .\n__label__neg Weak plot .\n", {}, "received 1"),
    # JSON Lines
    "JSON Lines": ("a.jsonl", jsonl({"text": FILM[0], "label": "pos"}), {}, FILM),
    "a label of 1.0": ("a.jsonl", jsonl({"text": "x", "label": 1.0}), {}, ("x", "1")),
    "a label of 0.5": ("a.jsonl", jsonl({"text": "x", "label": 0.5}), {}, ("x", "0.5")),
    "nested": (
        "a.jsonl",
        jsonl({"a": {"b": {"text": "x"}}, "meta": {"label": "y"}}),
        {"text_column": "a.b.text", "label_column": "meta.label"},
        ("x", "y"),
    ),
    "a key with a dot": (
        "a.jsonl",
        jsonl({"a.b": "x", "label": "y"}),
        {"text_column": "a.b"},
        ("x", "y"),
    ),
    "nested, not stated": (
        "a.jsonl",
        jsonl({"review": {"text": "x"}, "label": "y"}),
        {},
        "keys found: 'review.text, label'",
    ),
    "null": (
        "a.jsonl",
        jsonl(*({"text": "x", "label": label} for label in ("a", None, "b", None, "c"))),
        {},
        "line 2: 'label' must be a string, a number, true or false, or a list of strings, "
        "received 'null'; 2 bad rows "
        "in all; line 4; data.on_error=skip leaves them out",
    ),
    "null, skipped": (
        "a.jsonl",
        jsonl(*({"text": "x", "label": label} for label in (None, "a", "b"))),
        {"on_error": "skip"},
        ("x", "a"),
    ),
    "nothing but null": (
        "a.jsonl",
        jsonl({"text": "x", "label": None}),
        {"on_error": "skip"},
        "received 'null'",
    ),
    "one JSON array": ("a.jsonl", "[\n" + jsonl({"text": "x", "label": "y"}) + "]\n", {}, "line 1"),
    # What is no text
    "Latin-1": ("a.csv", "text,label\nun été,pos\n".encode("latin-1"), {}, "iconv -f WINDOWS-1252"),
    "no file of ours": ("a.parquet", "PAR1", {}, "expected a file that ends in one of .tsv"),
}

TAGGED = {
    "spaces": ("a.bio", TOKENS, {}, ANN),
    "tabs": ("a.tsv", TOKENS.replace(" ", "\t"), {}, ANN),
    "other suffixes": ("a.iob2", TOKENS, {}, ANN),
    "CoNLL-2003": (
        "a.conll",
        "-DOCSTART- -X- -X- O\n\nAnn NNP B-NP B-PER\nran VBD B-VP O\n",
        {},
        ANN,
    ),
    "CoNLL-2003, part of speech": (
        "a.conll",
        "-DOCSTART- -X- -X- O\n\nAnn NNP B-NP B-PER\nran VBD B-VP O\n",
        {"tag_column": 1},
        (["Ann", "ran"], ["NNP", "VBD"]),
    ),
    "GermEval": (
        "a.tsv",
        "#\thttp://example.org/a [2001-01-01]\n1\tAnn\tB-PER\tO\n2\tran\tO\tO\n\n"
        "#\thttp://example.org/b [2001-01-01]\n1\tRome\tB-LOC\tO\n2\tfell\tO\tO\n",
        {"token_column": 1, "tag_column": 2},
        ANN,
    ),
    "GermEval, not stated": (
        "a.tsv",
        "#\thttp://example.org/a [2001-01-01]\n1\tAnn\tB-PER\tO\n2\tran\tO\tO\n",
        {},
        "count from 1 in each sentence; name the column of tokens as data.token_column",
    ),
    "Naver": ("a.tsv", "1\tAnn\tPER_B\n2\tran\t-\n", {}, "such as data.token_column=1"),
    "Naver, stated": (
        "a.tsv",
        "1\tAnn\tPER_B\n2\tran\t-\n",
        {"token_column": 1},
        (["Ann", "ran"], ["PER_B", "-"]),
    ),
    "MIT": (
        "a.bio",
        "O\twhat\nB-ACTOR\tAnn\nI-ACTOR\tLee\n\nO\tfilms\nB-YEAR\t1999\n",
        {},
        "give data.token_column=1 and data.tag_column=0",
    ),
    "MIT, stated": (
        "a.bio",
        "O\twhat\nB-ACTOR\tAnn\n",
        {"token_column": 1, "tag_column": 0},
        (["what", "Ann"], ["O", "B-ACTOR"]),
    ),
    "KLUE": (
        "a.tsv",
        "## 주석 : ##\n## 열 : CHAR\tNE_TAG\n\n## x-0001\t<안:PS> 옴\n안\tB-PS\n \tO\n옴\tO\n",
        {},
        (["안", " ", "옴"], ["B-PS", "O", "O"]),
    ),
    "KLUE, its sign stated": (
        "a.tsv",
        "## 열 : CHAR\tNE_TAG\n\n## x-0001\t<안:PS> 옴\n안\tB-PS\n \tO\n옴\tO\n",
        {"comment": "##"},
        (["안", " ", "옴"], ["B-PS", "O", "O"]),
    ),
    "a hash as a token": (
        "a.tsv",
        "#\tO\nAnn\tB-PER\n\n##\tO\n",
        {},
        (["#", "Ann"], ["O", "B-PER"]),
    ),
    "a hashtag inside": ("a.txt", "Ann B-PER\n#rome O\n", {}, (["Ann", "#rome"], ["B-PER", "O"])),
    "comments of CoNLL-U before columns": (
        "a.txt",
        "# id = 1 2\n# text = Ann ran\nAnn N x B-PER\nran V x O\n",
        {},
        ANN,
    ),
    "a stated delimiter": ("a.txt", "Ann;B-PER\nran;O\n", {"delimiter": "semicolon"}, ANN),
    "a header": ("a.tsv", "token\ttag\nAnn\tB-PER\nran\tO\n", {}, "give --header"),
    "a header, given": (
        "a.tsv",
        "word\tpos\tner\nAnn\tN\tB-PER\nran\tV\tO\n",
        {"header": True},
        ANN,
    ),
    "named columns": (
        "a.tsv",
        "id\tw\tpos\tn\n7\tAnn\tN\tB-PER\n8\tran\tV\tO\n",
        {"token_column": "w", "tag_column": "n"},
        ANN,
    ),
    "Kaggle": (
        "a.csv",
        "Sentence #,Word,POS,Tag\nSentence: 1,Ann,NNP,B-PER\n,ran,VBD,O\nSentence: 2,Rome,NNP,O\n",
        {},
        ANN,
    ),
    "Kaggle, parts of speech": (
        "a.csv",
        "Sentence #,Word,POS,Tag\nSentence: 1,Ann,NNP,B-PER\n,ran,VBD,O\nSentence: 2,Rome,NNP,O\n",
        {"tag_column": "POS"},
        (["Ann", "ran"], ["NNP", "VBD"]),
    ),
    "sentences by number": (
        "a.csv",
        "sent_id,token,tag\n1,Ann,B-PER\n1,ran,O\n2,Rome,B-LOC\n",
        {},
        ANN,
    ),
    "sentences by another name": (
        "a.csv",
        "doc,token,tag\nx,Ann,B-PER\nx,ran,O\ny,Rome,B-LOC\n",
        {"sentence_column": "doc"},
        ANN,
    ),
    "sentences by blank rows": ("a.csv", "word;tag\nAnn;B-PER\nran;O\n;\nRome;O\n", {}, ANN),
    "CSV of other names": ("a.csv", "x,y\nAnn,B-PER\n", {}, "name others with data.token_column"),
    "two bad rows": (
        "a.bio",
        TOKENS + "\n" + "x\n\n" + TOKENS + "\ny O O\n",
        {},
        "line 7: expected 2 space-separated columns as in line 1, received 1: 'x'; a token and its "
        "tag stand in each line, and a blank line between sentences; 2 bad rows in all; line 15; ",
    ),
    "bad rows, skipped": ("a.bio", "x O\nx\n\n" + TOKENS, {"on_error": "skip"}, ANN),
    "withheld words": (
        "a.conllu",
        "".join(f"{n}\t_\t_\tX\t_\t_\t0\troot\t_\t_\n" for n in range(1, 9)),
        {},
        "the words of this treebank are withheld",
    ),
    "CoNLL-U, lemmas read": (
        "a.conllu",
        "1\tAnn\tann\tN\t_\t_\t0\troot\t_\t_\n2\tran\trun\tV\t_\tA=1\t0\troot\t_\t_\n",
        {"token_column": "lemma", "tag_column": "FEATS"},
        (["ann", "run"], ["_", "A=1"]),
    ),
}

PAIRS = {
    "tabs": ("a.tsv", "Go .\tVa .\nStop .\tHalte .\n", {}, ("Go .", "Va .")),
    "semicolons": ("a.csv", "source;target\nGo, now;Va\n", {}, ("Go, now", "Va")),
    "ManyThings": ("a.txt", "Go.\tVa !\tCC-BY 2.0\nHi.\tSalut !\tCC-BY 2.0\n", {}, "received 3"),
    "ManyThings, stated": (
        "a.txt",
        "Go.\tVa !\tCC-BY 2.0\nHi.\tSalut !\tCC-BY 2.0\n",
        {"text_column": 0, "label_column": 1},
        ("Go.", "Va !"),
    ),
    "names of languages": ("a.tsv", "English\tFrench\nGo.\tVa !\n", {}, "give --header"),
    "names, given": (
        "a.tsv",
        "English\tFrench\nGo.\tVa !\n",
        {"text_column": "English", "label_column": "French"},
        ("Go.", "Va !"),
    ),
    "the Hub's translations": (
        "a.jsonl",
        jsonl({"id": 0, "translation": {"en": "Go.", "fr": "Va !"}}),
        {"text_column": "translation.en", "label_column": "translation.fr"},
        ("Go.", "Va !"),
    ),
    "blank sides": (
        "a.tsv",
        "a\tb\nc\t \n \td\ne\tf\ng\th\n",
        {},
        "line 2: the target is empty, beside the source 'c'; 2 bad rows in all; line 3: the source",
    ),
    "blank sides, skipped": ("a.tsv", "c\t \na\tb\n", {"on_error": "skip"}, ("a", "b")),
}

CASES = [
    pytest.param(task, *case, id=f"{task}: {name}")
    for task, cases in (("sentiment", LABELLED), ("tagging", TAGGED), ("translation", PAIRS))
    for name, case in cases.items()
]


def read(tmp_path, task, name, content, data):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    config = parse_config({"task": task, "data": {"source": str(path), **data}})
    return read_part(config, str(path))


@pytest.mark.parametrize(("task", "name", "content", "data", "expected"), CASES)
def test_a_file_is_read_right_or_refused_in_one_line(tmp_path, task, name, content, data, expected):
    if isinstance(expected, str):
        with pytest.raises(SeqtasksError) as caught:
            read(tmp_path, task, name, content, data)
        message = str(caught.value)
        assert message.startswith(str(tmp_path / name))
        assert expected in message
        assert "\n" not in message
        assert len(message) < 700
        return
    part = read(tmp_path, task, name, content, data)
    first, second = {
        "sentiment": ("texts", "labels"),
        "tagging": ("tokens", "tags"),
        "translation": ("texts", "targets"),
    }[task]
    assert (getattr(part, first)[0], getattr(part, second)[0]) == expected


def test_sentences_of_a_table_end_where_the_column_says(tmp_path):
    for content in (
        "Sentence #,Word,Tag\nSentence: 1,a,X\n,b,Y\nSentence: 2,c,X\n,d,Y\n,e,Y\n",
        "sentence_id,word,tag\n1,a,X\n1,b,Y\n2,c,X\n2,d,Y\n2,e,Y\n",
    ):
        part = read(tmp_path, "tagging", "a.csv", content, {})
        assert part.tokens == [["a", "b"], ["c", "d", "e"]]
        assert part.lines == [2, 4]


def test_one_number_written_in_two_ways_is_one_label(tmp_path):
    part = read(
        tmp_path,
        "sentiment",
        "a.jsonl",
        jsonl({"text": "x", "label": 1}, {"text": "y", "label": 1.0}, {"text": "z", "label": 2.5}),
        {},
    )
    assert part.labels == ["1", "1", "2.5"]
    part = read(tmp_path, "sentiment", "a.tsv", "x\t1\ny\t1.0\nz\t2.0\nw\t3\n", {})
    assert part.labels == ["1", "1", "2.0", "3"]


def test_bad_rows_are_listed_up_to_ten_and_counted(tmp_path):
    rows = [{"text": f"t{n}", "label": None if n % 3 == 0 else "ab"[n % 2]} for n in range(60)]
    with pytest.raises(SeqtasksError) as caught:
        read(tmp_path, "sentiment", "a.jsonl", jsonl(*rows), {})
    message = str(caught.value)
    assert "; 20 bad rows in all; line 4; line 7;" in message
    assert message.count("line ") == 10
    assert "; …; data.on_error=skip" in message
    part = read(tmp_path, "sentiment", "a.jsonl", jsonl(*rows), {"on_error": "skip"})
    assert len(part) == 40
    assert part.bad_rows.count == 20
    assert "20 bad rows left out" in part.bad_rows.notice()


def test_most_rows_bad_is_a_wrong_reading_and_not_to_be_skipped(tmp_path):
    rows = [{"text": "x", "label": None}] * 5 + [{"text": "x", "label": "y"}]
    with pytest.raises(SeqtasksError) as caught:
        read(tmp_path, "sentiment", "a.jsonl", jsonl(*rows), {})
    assert "on_error" not in str(caught.value)


# --- Excel ---------------------------------------------------------------------------------------


def workbook(path, rows):
    """Write the smallest Excel file there is, without a library: a sheet of text and numbers."""

    def cell(value, row, column):
        at = f'r="{chr(65 + column)}{row}"'
        if isinstance(value, str):
            return f'<c {at} t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c {at}><v>{value}</v></c>"

    body = "".join(
        f'<row r="{n}">{"".join(cell(v, n, c) for c, v in enumerate(row) if v is not None)}</row>'
        for n, row in enumerate(rows, 1)
    )
    office = "http://schemas.openxmlformats.org"
    main, relations = f"{office}/spreadsheetml/2006/main", f"{office}/package/2006/relationships"
    documents = f"{office}/officeDocument/2006/relationships"
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{office}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{types}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{types}.worksheet+xml"/>'
        "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="r1" '
        f'Type="{documents}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{documents}"><sheets>'
        '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}"><Relationship Id="r1" '
        f'Type="{documents}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData>'
        "</worksheet>",
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    path.write_bytes(made.getvalue())
    return path


def test_an_excel_file_is_read_by_its_first_sheet(tmp_path):
    pytest.importorskip("openpyxl")
    rows = [("text", "label", None), ("Fine film", 1.0), (None, None), ("Weak, 좋다", 0), ("x", 1)]
    path = workbook(tmp_path / "a.xlsx", rows)
    config = parse_config({"data": {"source": str(path)}})
    part = read_part(config, str(path))
    assert part.texts == ["Fine film", "Weak, 좋다", "x"]
    assert part.labels == ["1", "0", "1"]
    assert part.lines == [2, 4, 5]
    workbook(path, [("Sentence #", "Word", "Tag"), (1, "a", "X"), (None, "b", "Y"), (2, "c", "X")])
    config = parse_config({"task": "tagging", "data": {"source": str(path)}})
    assert read_part(config, str(path)).tokens == [["a", "b"], ["c"]]
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SeqtasksError, match=r"can't be read as \.xlsx"):
        read_part(config, str(path))


def test_an_excel_file_without_the_library_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    path = workbook(tmp_path / "a.xlsx", [("text", "label"), ("a", "b")])
    with pytest.raises(SeqtasksError) as caught:
        read_part(parse_config({}), str(path))
    assert "an Excel file needs openpyxl" in str(caught.value)
    assert "seqtasks[excel]" in str(caught.value)
