import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from studio.datasets import texts as kinds
from studio.datasets.texts import BLOCK, texts
from studio.errors import StudioError


def read(path: Path, column: str = "") -> tuple[list[str], list[str]]:
    """(texts, sentences about those that cannot be read)."""
    good, bad = [], []
    for _, load in texts(path, column):
        try:
            good.append(load())
        except StudioError as error:
            bad.append(str(error))
    return good, bad


def test_plain_text_comes_in_blocks_of_whole_lines(tmp_path: Path):
    text = "".join(f"Line {index} of a long story.\n" for index in range(1000))
    (tmp_path / "story.txt").write_text(text)
    blocks, _ = read(tmp_path / "story.txt")
    assert "".join(blocks) == text
    assert all(BLOCK <= len(block) < BLOCK + 40 and block.endswith("\n") for block in blocks[:-1])
    (tmp_path / "story.txt.gz").write_bytes(gzip.compress(text.encode()))
    assert read(tmp_path / "story.txt.gz")[0] == blocks
    (tmp_path / "line.txt").write_text("x" * (200 * BLOCK))  # one line without an end is cut
    assert max(map(len, read(tmp_path / "line.txt")[0])) == 64 * BLOCK


def test_a_folder_holds_files_of_all_kinds(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.md").write_text("# One")
    (tmp_path / "b.jsonl").write_text('{"text": "two"}\n\n{"text": 3}\n{"other": "x"}\nnot json\n"three"\n')
    (tmp_path / "c.csv").write_text('id,text\n1,"four, with\na newline"\n2\n')
    (tmp_path / "d.txt").write_bytes(b"caf\xe9")
    (tmp_path / "e.png").write_bytes(b"")
    good, bad = read(tmp_path)
    assert good == ["# One", "two", "three", "four, with\na newline"]
    assert len(bad) == 5
    assert any("UTF-8" in sentence for sentence in bad)


@pytest.mark.skipif(os.name != "posix", reason="pipes and links in a folder")
def test_a_bad_file_of_many_is_left_out_and_no_pipe_is_waited_for(tmp_path: Path):
    (tmp_path / "a.txt").write_text("one")
    os.mkfifo(tmp_path / "b.txt")
    (tmp_path / "c.jsonl").symlink_to(tmp_path / "missing")
    (tmp_path / "d.csv").symlink_to(tmp_path / "missing")
    (tmp_path / "e.txt").symlink_to(tmp_path / "missing")
    (tmp_path / "f.txt").symlink_to("/dev/zero")
    (tmp_path / "g.txt").mkdir()
    (tmp_path / "g.txt" / "two.txt").write_text("two")
    (tmp_path / "h.csv").write_text("other\nthree\n")
    good, bad = read(tmp_path, "text")
    assert good == ["one", "two"]
    assert [sentence.split(":")[0] for sentence in bad] == [
        *(f"Cannot read {tmp_path / name}" for name in ("c.jsonl", "d.csv", "e.txt")),
        "h.csv has no column 'text'",
    ]
    assert all(sentence.count("..") == 0 for sentence in bad)


def test_the_column_is_chosen(tmp_path: Path):
    rows = [{"title": f"t{i}", "body": f"b{i}"} for i in range(3)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.csv").write_text("title,body\n" + "".join(f"{r['title']},{r['body']}\n" for r in rows))
    for name in ("a.jsonl", "a.csv"):
        assert read(tmp_path / name)[0] == ["t0", "t1", "t2"]
        assert read(tmp_path / name, "body")[0] == ["b0", "b1", "b2"]
    with pytest.raises(StudioError, match="title, body"):
        read(tmp_path / "a.csv", "missing")
    assert all("title, body" in sentence for sentence in read(tmp_path / "a.jsonl", "missing")[1])


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ([{"title": "a0", "story": "b0"}, {"story": "b1", "title": "a1"}, {"title": "a2", "story": "b2"}], "title"),
        ([{"id": 1, "title": None}, {"id": 2, "body": "a1", "title": "b1"}, {"title": "b2", "body": "a2"}], "body"),
        ([{"id": 1, "note": "a0"}, {"text": "b1", "note": "a1"}], "note"),
    ],
)
def test_one_column_of_json_lines_is_read_in_whatever_order_the_keys_are(
    rows: list[dict[str, object]], column: str, tmp_path: Path
):
    file = tmp_path / "a.jsonl"
    file.write_text("not json\n\n" + "".join(json.dumps(row) + "\n" for row in rows))
    names = list({name: None for row in rows for name in row})
    assert kinds.columns(file) == (column, names)
    good, bad = read(file)
    assert good == [row[column] for row in rows if column in row]
    assert [sentence.split(":")[0] for sentence in bad] == [
        "a.jsonl, line 1, is not JSON",
        *(
            f"a.jsonl, line {i}, has no text in the column {column!r}."
            for i, row in enumerate(rows, 3)
            if column not in row
        ),
    ]


@pytest.mark.parametrize(
    ("lines", "column"),
    [
        (["id,title,body", "1,one,first", "2,two,second"], "title"),
        (["day,share,note", "2024-01-01,1e-3,one", "2024-01-02,nan,two", ",,"], "note"),
        (["id,name", "1,one", "none,two", "3,three"], "name"),  # most of its values decide
        (["id,text", "a,one"], "text"),
        (["id,count", "1,2", "3,4"], "id"),
        (["id,name"], "id"),
    ],
)
def test_numbers_are_not_what_is_read_of_a_csv(lines: list[str], column: str, tmp_path: Path):
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    header = lines[0].split(",")
    assert kinds.columns(tmp_path / "a.csv") == (column, header)
    assert kinds.columns(tmp_path / "a.csv", "id") == ("id", header)
    wanted = [line.split(",")[header.index(column)] for line in lines[1:]]
    assert read(tmp_path / "a.csv")[0] == wanted


def test_what_has_columns(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": [1], "body": ["one"], "image": [b"png"]}), tmp_path / "a.parquet")
    assert kinds.columns(tmp_path / "a.parquet") == ("body", ["id", "body", "image"])
    assert kinds.columns(tmp_path / "a.parquet", what="pictures") == ("image", ["id", "body", "image"])
    (tmp_path / "a.jsonl").write_text('{"id": 1, "body": "one"}\n')
    assert kinds.columns(tmp_path / "a.jsonl") == ("body", ["id", "body"])
    for name, content in (("b.jsonl", b'"one"\n'), ("c.jsonl", b"{"), ("d.jsonl", b"\xff"), ("e.txt", b"id,text\n")):
        (tmp_path / name).write_bytes(content)
        assert kinds.columns(tmp_path / name) is None
    assert kinds.columns(tmp_path) is None


def test_parquet(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": [1, 2], "body": ["one", None], "text": ["three", "four"]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0] == ["three", "four"]
    good, bad = read(tmp_path / "a.parquet", "body")
    assert good == ["one"]
    assert "no text" in bad[0]


def test_text_of_a_table_that_is_no_utf_8_is_left_out(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    ends, letters = np.array([0, 3, 5, 8], np.int32).tobytes(), b"one" + b"\xff\xfe" + b"two"
    column = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(ends), pa.py_buffer(letters)])
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    good, bad = read(tmp_path / "a.parquet")
    assert good == ["one", "two"]
    assert bad == ["a.parquet 1 holds no text in UTF-8."]


def test_a_line_that_is_too_long_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kinds, "MAX_LINE", 100)
    rows = [json.dumps({"text": text}) for text in ("one", "x" * 350, "y" * 87, "two")]  # the third has just 100
    rows[2] = rows[2][:-2] + '"}'
    (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n")
    good, bad = read(tmp_path / "a.jsonl")
    assert good == ["one", "y" * 87, "two"]
    assert bad == ["a.jsonl, line 2, has more than 100 characters: split it."]
    (tmp_path / "a.csv").write_text("text\none\n" + "x" * 350 + "\ntwo\n")
    good, bad = read(tmp_path / "a.csv")
    assert good == ["one"]
    assert "more than 100 characters" in bad[0]


def test_what_is_no_text_is_one_sentence(tmp_path: Path):
    (tmp_path / "song.mp3").write_bytes(b"ID3")
    for name, word in (("missing", "no data"), ("song.mp3", "kinds of text")):
        with pytest.raises(StudioError, match=word):
            read(tmp_path / name)
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"hello " * 1000)[:30])
    good, bad = read(tmp_path / "cut.txt.gz")
    assert not good
    assert len(bad) == 1
