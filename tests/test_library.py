"""The library: what is kept, found, changed, deleted, brought back, and what a kill leaves."""

import csv
import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.errors import StudioError
from studio.generation import FreeSource, GenerationRequest, PackedArray, PictureSource, Result, TextSource
from studio.generation import read_request as read_png
from studio.library import Change, Filter, Item, Library, Parent, export_items, given_pieces
from studio.library.database import Database, set_aside
from studio.media.export import read_parameters
from studio.media.images import Picture, load_picture


def request_of(source: object, seeds: tuple[int, ...], **options: object) -> GenerationRequest:
    fixed = {
        **{"model": "emoji-32", "digest": "0" * 64, "source": source, "given": PackedArray.pack(np.zeros((4, 2)))},
        **{"steps": 6, "schedule": "linear", "policy": "confidence", "granularity": 1, "temperature": 0.9},
        **{"top_p": 1.0, "top_k": 0, "remask": 0.0, "seeds": seeds},
    }
    return GenerationRequest.model_validate(fixed | options)


def picture_result(seeds: tuple[int, ...] = (7, 8), side: int = 12) -> Result:
    mask = np.zeros((side, side), dtype=bool)
    mask[2:5, 3:6] = True
    source = PictureSource(width=side, height=side, frame=(0, 0, side), mask=PackedArray.pack(mask))
    pictures = np.random.default_rng(seeds[0]).integers(0, 256, (len(seeds), side, side, 3), dtype=np.uint8)
    y, confidence = np.zeros((len(seeds), 4, 2), dtype=np.int64), np.zeros((len(seeds), 4), dtype=np.float32)
    return Result(request_of(source, seeds), y, pictures, None, confidence, 5, 0.25, "CPU")


def text_result(text: str, written: str = "Once [[2]].", model: str = "storybook") -> Result:
    source = TextSource(text=written, windows=(4,))
    y, confidence = np.zeros((1, 4, 2), dtype=np.int64), np.zeros((1, 4), dtype=np.float32)
    return Result(request_of(source, (2**64 - 1,), model=model), y, None, [text], confidence, 3, 0.1, "CPU")


@pytest.fixture
def original() -> Picture:
    rng = np.random.default_rng(3)
    alpha = rng.integers(0, 256, (12, 12), dtype=np.uint8)
    return Picture(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8), alpha)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path / "library")
    yield library
    library.close()


def files(library: Library) -> set[str]:
    return {path.relative_to(library.folder).as_posix() for path in library.folder.glob("*/**/*") if path.is_file()}


class TestKeeping:
    def test_a_picture_comes_back_whole(self, library: Library, original: Picture) -> None:
        result = picture_result()
        item = library.add(result, 1, picture=original, title="cat.png", run="r1", parent=Parent(run="r0", frame=4))
        assert (item.kind, item.model, item.title, item.seed, item.variation) == (
            "picture",
            "emoji-32",
            "cat.png",
            8,
            1,
        )
        assert (item.calls, item.seconds, item.provider, item.width) == (5, 0.25, "CPU", 12)
        assert item.parent == Parent(None, "r0", 4) and item.run == "r1" and not item.star
        assert library.items([item.key]) == [item] == [library.find(item.id)]
        assert library.request(item.key) == result.request
        assert read_png(item.file) == (result.request, 1, "CPU")
        kept, again = load_picture(item.file), load_picture(item.input or "")
        hole = result.request.source.full_mask()  # pyright: ignore
        assert result.pictures is not None and original.alpha is not None and kept.alpha is not None
        assert (kept.stored[hole] == result.pictures[1][hole]).all() and (kept.alpha[hole] == 255).all()
        assert (kept.stored[~hole] == original.stored[~hole]).all()
        assert (again.stored == original.stored).all() and (again.alpha == original.alpha).all()
        small = Image.open(BytesIO(library.thumbnails([item.key])[item.key]))
        assert small.size == (12, 12)

    def test_a_text_comes_back_whole(self, library: Library) -> None:
        text = "word " * 60 + "then a dragon came\u2028 and\x00 went. " + "more " * 200
        item = library.add(text_result(text, "word " * 60 + "[[3]] went."), run="r")
        assert item.kind == "text" and item.seed == 2**64 - 1 and item.input is None
        assert library.text(item) == text
        assert "dragon" in item.snippet and len(item.snippet) <= 401 and item.snippet.isprintable()
        assert len(item.title) <= 60 and library.thumbnails([item.key]) == {}
        assert json.loads(item.file.read_bytes())["request"]["source"]["text"].endswith("[[3]] went.")

    @pytest.mark.parametrize("given", ["你好世界" * 60, "https://example.com/" + "a1b2" * 60])
    def test_a_text_without_spaces_is_shown_around_what_was_made(self, library: Library, given: str) -> None:
        item = library.add(text_result(f"{given}made here.", f"{given}[[3]]"), run="r")
        assert item.snippet == f"…{given[-80:]}made here."

    def test_what_counts_as_a_gap_is_what_is_filled(self) -> None:
        request = text_result("A king.", "a [[ 6 ]] b [[٦]] c [[2]]").request
        assert isinstance(request.source, TextSource)
        assert given_pieces(request.source) == ["a [[ 6 ]] b [[٦]] c ", ""]

    def test_an_index_made_anew_is_the_one_that_was_lost(self, tmp_path: Path) -> None:
        library = Library(tmp_path / "library")
        library.add(text_result("word " * 60 + "then a\ndragon came. " + "more " * 200, "word " * 60 + "[[3]] went."))
        library.add(picture_result(), 1)
        before = library.items(library.ids())
        library.close()
        (library.folder / "library.sqlite").unlink()
        library = Library(tmp_path / "library")
        assert library.items(library.ids()) == before and "dragon" in before[1].snippet
        library.close()

    def test_the_original_is_stored_once(self, library: Library, original: Picture) -> None:
        for index in (0, 1):
            library.add(picture_result(), index, picture=original)
        library.add(picture_result(), 0, picture=Picture(original.stored))
        assert len([file for file in files(library) if file.startswith("inputs/")]) == 2

    def test_a_large_picture_gets_a_small_thumbnail(self, library: Library) -> None:
        result = picture_result((1,), side=1000)
        item = library.add(result, picture=Picture(np.zeros((1000, 1000, 3), dtype=np.uint8)))
        assert Image.open(BytesIO(library.thumbnails([item.key])[item.key])).size == (320, 320)

    def test_a_full_disk_leaves_no_item(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object, **__: object) -> None:
            raise StudioError("Cannot write it: No space left on device.")

        monkeypatch.setattr("studio.library.store.save_png", full)
        with pytest.raises(StudioError, match="No space"):
            library.add(picture_result())
        assert library.ids() == []
        monkeypatch.undo()
        assert library.add(picture_result()).key

    def test_changes_are_told(self, library: Library) -> None:
        told: list[Change] = []
        library.listeners.append(told.append)
        item = library.add(picture_result())
        library.star([item.key])
        library.set_all_tags({item.key: ["a"]})
        library.rename(item.key, "b")
        library.delete([item.key])
        library.restore([item.key])
        library.delete([item.key])
        library.purge([item.key])
        whats = ["added", "changed", "changed", "changed", "deleted", "restored", "deleted", "purged"]
        assert told == [Change(what, (item.key,)) for what in whats]  # pyright: ignore


class TestFinding:
    @pytest.fixture
    def items(self, library: Library) -> dict[str, Item]:
        fish = library.add(text_result("A fisherman called Salmon; café and größer."), title="Fish")
        king = library.add(text_result("A king had three daughters.", model="prose"), tags=["Royal", "royal", " "])
        cat = library.add(picture_result(), title="cat.png", run="r1", tags=["animal, small"])
        library.star([cat.key])
        return {"fish": fish, "king": king, "cat": library.items([cat.key])[0]}

    @pytest.mark.parametrize(
        ("chosen", "names"),
        [
            (Filter(), "cat king fish"),
            (Filter(text="SALM fisher"), "fish"),
            (Filter(text="cafe GROßER"), "fish"),
            (Filter(text="salmon daughters"), ""),
            (Filter(text='"; DROP TABLE items; --'), ""),
            (Filter(text="!!! * - \" '"), "cat king fish"),
            (Filter(text="royal"), "king"),
            (Filter(text="cat png"), "cat"),
            (Filter(text="storybook"), "fish"),
            (Filter(text="AND OR NOT NEAR"), ""),
            (Filter(text=str(2**64 - 1)), "king fish"),
            (Filter(kind="text"), "king fish"),
            (Filter(model="prose"), "king"),
            (Filter(tag="ROYAL"), "king"),
            (Filter(tag="animal small"), "cat"),
            (Filter(starred=True), "cat"),
            (Filter(run="r1"), "cat"),
            (Filter(since=4e9), ""),  # in the year 2096
            (Filter(until=1.0), ""),
            (Filter(deleted=True), ""),
            (Filter(kind="text", text="king", model="storybook"), ""),
        ],
    )
    def test_filters(self, library: Library, items: dict[str, Item], chosen: Filter, names: str) -> None:
        assert library.ids(chosen) == [items[name].key for name in names.split()]
        assert library.count(chosen) == len(names.split())

    def test_what_there_is_to_choose(self, library: Library, items: dict[str, Item]) -> None:
        assert library.models() == [("emoji-32", 1), ("prose", 1), ("storybook", 1)]
        assert library.tags() == [("animal small", 1), ("Royal", 1)]
        library.set_all_tags({items["fish"].key: ["sea", "Royal"]})
        assert library.ids(Filter(text="sea")) == library.ids(Filter(tag="sea")) == [items["fish"].key]
        library.rename(items["fish"].key, "Herring")
        assert library.ids(Filter(text="herr")) == [items["fish"].key]
        assert library.ids(Filter(text="Fish")) == [items["fish"].key]  # the text still says fisherman
        library.delete([items["king"].key])
        assert library.models() == [("emoji-32", 1), ("storybook", 1)]
        assert library.models(deleted=True) == [("prose", 1)] and ("Royal", 1) in library.tags(deleted=True)

    def test_relatives(self, library: Library, items: dict[str, Item]) -> None:
        by_run = library.add(picture_result(), 0, run="r2", parent=Parent(run="r1", frame=3))
        by_item = library.add(picture_result(), 1, parent=Parent(item=items["cat"].id))
        assert library.relatives(by_run) == ([items["cat"]], [])
        assert library.relatives(by_item) == ([items["cat"]], [])
        assert library.relatives(items["cat"]) == ([], [by_run, by_item])
        assert library.relatives(items["fish"]) == ([], [])

    def test_order_is_kept_and_gaps_are_left_out(self, library: Library, items: dict[str, Item]) -> None:
        keys = [items["king"].key, 999, items["fish"].key]
        assert [item.title for item in library.items(keys)] == ["A king had three daughters.", "Fish"]


class TestDeleting:
    def test_nothing_is_lost_before_the_purge(self, library: Library, original: Picture) -> None:
        items = [library.add(picture_result(), index, picture=original, tags=["x"]) for index in (0, 1)]
        library.star([items[0].key])
        before, there = library.items([item.key for item in items]), files(library)
        library.delete([item.key for item in items])
        assert library.ids() == [] and len(library.ids(Filter(deleted=True))) == 2 and files(library) == there
        library.tidy()
        assert files(library) == there
        library.restore([item.key for item in items])
        assert library.items([item.key for item in items]) == before

    def test_a_purge_takes_only_what_was_deleted(self, library: Library, original: Picture) -> None:
        first, second = (library.add(picture_result(), index, picture=original) for index in (0, 1))
        library.delete([first.key])
        library.purge([first.key, second.key])
        assert library.find(first.id) is None and not first.file.exists()
        # The original is still needed by the other one, and so is the request.
        assert second.file.exists() and second.input and second.input.exists()
        assert library.request(second.key).seeds == (7, 8)
        library.delete([second.key])
        library.purge([second.key])
        assert files(library) == set()
        with sqlite3.connect(library.folder / "library.sqlite") as db:
            for table in ("items", "requests", "thumbnails", "tags", "words", "strays"):
                assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        db.close()

    def test_keys_are_never_used_again(self, library: Library) -> None:
        first = library.add(picture_result())
        library.delete([first.key])
        library.purge([first.key])
        assert library.add(picture_result()).key > first.key

    def test_tidy_purges_the_old_ones(self, library: Library) -> None:
        item = library.add(picture_result())
        library.delete([item.key])
        library.tidy(days=-1)
        assert library.find(item.id) is None and files(library) == set()

    def test_tidy_sweeps_what_a_kill_left(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        class Killed(BaseException):
            pass

        def kill(*_: object) -> int:
            raise Killed

        monkeypatch.setattr("studio.library.rebuilding.Row.insert", kill)
        with pytest.raises(Killed):
            library.add(picture_result(), picture=Picture(np.zeros((12, 12, 3), dtype=np.uint8)))
        assert len(files(library)) == 2
        monkeypatch.undo()
        other = library.add(text_result("A king."))
        library.delete([other.key])
        library.purge([other.key])
        library.tidy()
        assert len(files(library)) == 2, "another process may be writing them"
        later = time.time() + 7200
        monkeypatch.setattr("studio.library.store.time.time", lambda: later)
        library.tidy()
        assert files(library) == set()

    def test_an_original_that_is_wanted_again_is_not_swept(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        picture = Picture(np.zeros((12, 12, 3), dtype=np.uint8))
        name = library._keep_input(picture)
        later = time.time() + 7200
        monkeypatch.setattr("studio.library.store.time.time", lambda: later)
        assert library._keep_input(picture) == name
        library.tidy()  # as another process may, before the item is entered
        assert (library.folder / name).exists()


class TestExporting:
    @pytest.fixture
    def items(self, library: Library, original: Picture) -> list[Item]:
        return [
            library.add(picture_result(), 0, picture=original, title="a/b: \u00fc.png", tags=["one", "two"]),
            library.add(picture_result((5,), side=30)),
            library.add(text_result("=A king, \n\n ruled.")),
        ]

    def test_with_metadata(self, library: Library, items: list[Item], tmp_path: Path) -> None:
        written = export_items(library, items, tmp_path / "out", "metadata")
        assert [path.suffix for path in written] == [".png", ".png", ".json"]
        assert [path.read_bytes() for path in written] == [item.file.read_bytes() for item in items]
        assert written[0].name.startswith("a-b-\u00fc-png-")
        again = export_items(library, items, tmp_path / "out", "metadata")
        assert not set(written) & set(again) and all(path.exists() for path in written)

    def test_without(self, library: Library, items: list[Item], tmp_path: Path) -> None:
        written = export_items(library, items, tmp_path / "out", "plain")
        assert read_parameters(written[0]) is None
        assert (load_picture(written[0]).alpha == load_picture(items[0].file).alpha).all()
        assert written[2].suffix == ".txt" and written[2].read_text("utf-8") == "=A king, \n\n ruled."

    def test_grid(self, library: Library, items: list[Item], tmp_path: Path) -> None:
        (sheet,) = export_items(library, items, tmp_path / "sheet.png", "grid")
        scale = 5  # 30 pixels are too few to look at
        assert load_picture(sheet).size == (62 * scale, 30 * scale) and read_parameters(sheet) is None
        with pytest.raises(StudioError, match="No picture"):
            export_items(library, items[2:], tmp_path / "sheet.png", "grid")
        with pytest.raises(StudioError, match=r"\.png"):
            export_items(library, items, tmp_path / "sheet.jpg", "grid")
        for item in items:  # what is too large is not even read
            item.file.unlink()
        with pytest.raises(StudioError, match="too large"):
            export_items(library, [replace(items[0], width=9000), replace(items[1], height=9000)], sheet, "grid")

    def test_table(self, library: Library, items: list[Item], tmp_path: Path) -> None:
        *written, sheet = export_items(library, items, tmp_path / "out", "table")
        with sheet.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert all(row["temperature_slope"] == "0.0 1.0" and row["draw"] == "joint" for row in rows)
        assert [row["file"] for row in rows] == [path.name for path in written]
        assert rows[0]["tags"] == "one, two" and rows[2]["seed"] == str(2**64 - 1) and rows[1]["steps"] == "6"

    def test_what_cannot_be_done(self, library: Library, items: list[Item], tmp_path: Path) -> None:
        with pytest.raises(StudioError, match="Nothing is selected"):
            export_items(library, [], tmp_path, "plain")
        (tmp_path / "file").touch()
        with pytest.raises(StudioError, match="is a file"):
            export_items(library, items, tmp_path / "file", "plain")
        items[1].file.unlink()
        with pytest.raises(StudioError, match=rf"gone.* Of {len(items)} files 1 are in .*out"):
            export_items(library, items, tmp_path / "out", "metadata")
        assert len(list((tmp_path / "out").iterdir())) == 1


class TestTrouble:
    def test_a_newer_library_is_refused(self, library: Library) -> None:
        with sqlite3.connect(library.folder / "library.sqlite") as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        with pytest.raises(StudioError, match="newer version"):
            Library(library.folder)

    @pytest.mark.parametrize("damage", ["garbage", "cut", "other", "gone"])
    def test_a_damaged_index_is_made_anew(self, tmp_path: Path, original: Picture, damage: str) -> None:
        library = Library(tmp_path)
        parent = Parent(run="r0", frame=2)
        picture = library.add(picture_result(), 1, picture=original, title="cat", run="r", parent=parent, tags=["x"])
        text = library.add(text_result("A king."))
        library.close()
        path = tmp_path / "library.sqlite"
        if damage == "gone":
            path.unlink()
        elif damage == "other":
            path.unlink()
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE mine (x)")
            db.close()
        else:
            path.write_bytes(b"no database" * 999 if damage == "garbage" else path.read_bytes()[:5000])
        (tmp_path / "items" / "2026-01").mkdir()
        (tmp_path / "items" / "2026-01" / "mine.png").write_bytes(b"mine")
        library = Library(tmp_path)
        assert (library.notice is None) == (damage == "gone")
        assert len(list(tmp_path.glob("library-damaged-*.sqlite"))) == (damage != "gone")
        assert library.items(library.ids()) == [text, picture]
        assert library.thumbnails([picture.key]) and library.request(picture.key).seeds == (7, 8)
        library.check()
        library.close()

    def test_a_strange_file_names_nothing_to_delete_and_stops_nothing(self, tmp_path: Path) -> None:
        victim = tmp_path / "mine.txt"
        victim.write_text("mine")
        library = Library(tmp_path / "library")
        item = library.add(text_result("A king."))
        everything = json.loads(item.file.read_text())
        for name, change in (("path", {"input": str(victim)}), ("up", {"input": "../mine.txt"})):
            kept = everything["kept"] | {"id": name * 8} | change
            (item.file.parent / f"{name}.json").write_text(json.dumps(everything | {"kept": kept}))
        (item.file.parent / "endless.json").write_text(json.dumps(everything | {"variation": float("inf")}))
        library.close()
        (library.folder / "library.sqlite").unlink()
        library = Library(tmp_path / "library")
        keys = library.ids()
        assert library.items(keys) == [item]
        library.delete(keys)
        library.purge(keys)
        assert victim.read_text() == "mine"
        library.close()

    def test_a_locked_library_is_said(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("studio.library.database.BUSY_SECONDS", 0.05)
        item = library.add(picture_result())
        other = Database(library.folder / "library.sqlite")
        with other.write(), pytest.raises(StudioError, match="another program"):
            in_thread = Library(library.folder)
            try:
                in_thread.star([item.key])
            finally:
                in_thread.close()
        other.close()

    def test_an_unwritable_folder_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StudioError, match="Cannot write"):
            Library(tmp_path / "file" / "library")

    def test_after_closing(self, tmp_path: Path) -> None:
        library = Library(tmp_path)
        library.close()
        with pytest.raises(StudioError, match="closed"):
            library.ids()

    def test_setting_aside_keeps_the_log(self, tmp_path: Path) -> None:
        for suffix in ("", "-wal"):
            (tmp_path / f"library.sqlite{suffix}").write_text(suffix)
        aside = set_aside(tmp_path / "library.sqlite")
        assert aside.read_text() == "" and aside.with_name(aside.name + "-wal").read_text() == "-wal"


def test_one_thread_writes_while_others_read(library: Library) -> None:
    failures: list[BaseException] = []
    stop = threading.Event()

    def write() -> None:
        try:
            for number in range(40):
                library.add(picture_result(), number % 2, tags=[f"t{number % 3}"])
        except BaseException as error:
            failures.append(error)
        finally:
            stop.set()

    def read() -> None:
        try:
            while not stop.is_set():
                keys = library.ids()
                items = library.items(keys)
                assert len(items) == len(keys) and len(library.thumbnails(keys)) == len(keys)
                if keys:
                    library.star([random.choice(keys)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write), threading.Thread(target=read), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(library.ids()) == 40


WRITER = """
import sys
from pathlib import Path
import numpy as np
from studio.library import Library
from studio.media.images import Picture
from tests.test_library import picture_result, text_result
library = Library(sys.argv[1])
print("ready", flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    picture = Picture(np.full((12, 12, 3), number % 256, dtype=np.uint8))
    item = library.add(picture_result(), number % 2, picture=picture, tags=["a", "b"])
    print(item.id, flush=True)
    library.add(text_result(f"text {number}"))
    library.star([item.key])
    if number % 3 == 0:
        library.delete([item.key])
        library.purge([item.key])
        print("-" + item.id, flush=True)
"""


def test_thirty_kills_lose_nothing(tmp_path: Path) -> None:
    rng = random.Random(0)
    root, kept = tmp_path / "library", set[str]()
    for round_ in range(30):
        command = [sys.executable, "-c", WRITER, str(root), str(round_ * 1000)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        told = [process.stdout.readline().strip() for _ in range(round_ % 3)]  # so many at least, however slow it is
        time.sleep(rng.random() * 0.25)
        process.kill()
        told += process.stdout.read().split("\n")[:-1]
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        kept |= {line for line in told if not line.startswith("-")}
        last = told[-1] if told else ""
        kept -= {line[1:] for line in told if line.startswith("-")}
        library = Library(root)
        assert library.notice is None
        library.check()
        items = library.items([*library.ids(), *library.ids(Filter(deleted=True))])
        # The purge of the last one may have happened without being told.
        assert kept - {item.id for item in items} <= {last}
        kept &= {item.id for item in items}
        for item in items:
            library.request(item.key)
            if item.kind == "text":
                assert library.text(item).startswith("text ")
            else:
                assert load_picture(item.file).size == (12, 12) and item.input and load_picture(item.input)
                assert library.thumbnails([item.key]) and item.tags == ("a", "b")
        library.close()
    assert len(kept) > 15
    library = Library(root)
    library.tidy()
    keys = library.ids()
    assert len(keys) == len(library.items(keys))
    library.close()


def fill(library: Library, count: int) -> None:
    """Rows as `add` writes them, without their files."""
    with library._db.write() as db:
        text = request_of(FreeSource(), (1,)).model_dump_json()
        db.execute("INSERT INTO requests VALUES (1, 'x', ?)", (text,))
        rows = [
            (key, f"id{key}", 1e9 + key, "text" if key % 4 == 0 else "picture", f"model-{key % 5}", f"title {key}")
            for key in range(1, count + 1)
        ]
        db.executemany(
            "INSERT INTO items (key, id, created, kind, model, title, snippet, width, height, variation, seed, calls, "
            "seconds, provider, star, request, file) VALUES (?, ?, ?, ?, ?, ?, 'some text of a snippet', 32, 32, 0, "
            "'7', 9, 1.5, 'CPU', abs(random()) % 50 = 0, 1, hex(randomblob(8)))",
            rows,
        )
        png = (0).to_bytes(1, "big") * 1500
        db.executemany("INSERT INTO thumbnails VALUES (?, ?)", [(row[0], png) for row in rows])
        db.executemany("INSERT INTO tags VALUES (?, ?)", [(row[0], f"tag{row[0] % 200}") for row in rows[::10]])
        words = ["king", "queen", "wind", "water", "fisher", "salmon", "daughter", "ocean"]
        db.executemany(
            "INSERT INTO words (rowid, title, body, tags) VALUES (?, ?, ?, '')",
            [(row[0], row[5], f"{row[4]} {words[row[0] % 8]} {words[row[0] % 7]} w{row[0]}") for row in rows],
        )


def test_a_hundred_thousand_items_are_fast(library: Library) -> None:
    fill(library, 100_000)
    library.ids()

    def best(call: object) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            call()  # pyright: ignore
            times.append(1000 * (time.perf_counter() - start))
        return min(times)

    keys = library.ids()
    assert len(keys) == 100_000 and keys[0] == 100_000
    page = keys[50_000:50_060]
    measured = {
        "page": best(lambda: (library.items(page), library.thumbnails(page))),
        "relatives": best(lambda: library.relatives(library.items(page[:1])[0])),
        "star": best(lambda: library.star(page)),
        "all": best(library.ids),
        "kind": best(lambda: library.ids(Filter(kind="text", model="model-4"))),
        "starred": best(lambda: library.ids(Filter(starred=True))),
        "rare word": best(lambda: library.ids(Filter(text="w4711"))),
        "common word": best(lambda: library.ids(Filter(text="king"))),
        "tag": best(lambda: library.ids(Filter(tag="tag21"))),
        "tags": best(library.tags),
        "models": best(library.models),
    }
    print({name: round(milliseconds, 1) for name, milliseconds in measured.items()})
    # Measured on two cores, in milliseconds: a page 0.5, all keys 22. What the window itself calls must fit a frame.
    assert max(measured[name] for name in ("page", "relatives", "star")) < 16
    assert max(measured.values()) < 400
