import json
import weakref
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from PIL import Image

from studio.errors import StudioError
from studio.media import export
from studio.media.texts import load_text


class Frame(np.ndarray):
    """An array that can be watched."""

    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType]


def animation(count: int = 5, side: int = 12) -> list[np.ndarray]:
    """Flat pictures into which one more square comes at each frame."""
    frames = [np.full((side, side, 3), 255, dtype=np.uint8)]
    for index in range(1, count):
        frame = frames[-1].copy()
        frame[index, index] = (37 * index % 256, 91 * index % 256, 200)
        frames.append(frame)
    return frames


def read_png(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def read_animation(path) -> tuple[list[np.ndarray], list[int]]:
    pictures, durations = [], []
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            pictures.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
    return pictures, durations


def test_a_png_keeps_its_pixels_and_parameters(tmp_path):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    parameters = json.dumps({"given": "A" * 200_000, "text": "Füllung 😀"}, ensure_ascii=False)
    export.save_png(tmp_path / "a.png", rgb, parameters, alpha)
    assert np.array_equal(read_png(tmp_path / "a.png"), np.dstack([rgb, alpha]))
    assert export.read_parameters(tmp_path / "a.png") == parameters
    export.save_png(tmp_path / "b.png", rgb)
    assert np.array_equal(read_png(tmp_path / "b.png"), rgb)
    assert export.read_parameters(tmp_path / "b.png") is None


def test_parameters_of_what_is_no_png(tmp_path):
    (tmp_path / "a.png").write_bytes(b"hello")
    with pytest.raises(StudioError, match="not a PNG"):
        export.read_parameters(tmp_path / "a.png")
    with pytest.raises(StudioError, match="no file"):
        export.read_parameters(tmp_path / "b.png")


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_animations_open_again_with_all_frames(tmp_path, suffix):
    frames = animation()
    export.save_timelapse(tmp_path / f"t{suffix}", frames, fps=10)
    pictures, durations = read_animation(tmp_path / f"t{suffix}")
    assert durations == [100, 100, 100, 100, 1500]
    for picture, frame in zip(pictures, frames, strict=True):
        assert picture.shape == (264, 264, 3)
        assert np.array_equal(picture, export.enlarge(frame, 22))


def test_a_large_animation_is_not_enlarged(tmp_path):
    export.save_timelapse(tmp_path / "t.gif", animation(2, 300))
    assert read_animation(tmp_path / "t.gif")[0][0].shape == (300, 300, 3)


def test_wrong_endings_name_the_right_ones(tmp_path):
    with pytest.raises(StudioError, match=r"\.webp or \.gif or \.mp4"):
        export.save_timelapse(tmp_path / "t.avi", animation())
    with pytest.raises(StudioError, match=r"end in \.png"):
        export.save_png(tmp_path / "a.jpg", animation()[0])
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(StudioError, match="is a folder"):
        export.save_png(tmp_path / "folder.png", animation()[0])
    with pytest.raises(StudioError, match="is a folder"):
        export.save_text(tmp_path, "text")


@contextmanager
def little_space(size: int):
    """No file may grow beyond `size` bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["a.png", "t.webp", "t.gif", "t.mp4", "t.txt"])
def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, name):
    (tmp_path / name).write_bytes(b"old")
    with little_space(100), pytest.raises(StudioError, match="Cannot write"):
        if name.endswith(".png"):
            export.save_png(tmp_path / name, animation()[0], "parameters" * 50)
        elif name.endswith(".txt"):
            export.save_text(tmp_path / name, "new" * 100)
        else:
            export.save_timelapse(tmp_path / name, animation())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def test_a_folder_that_is_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StudioError, match="Cannot write"):
        export.save_png(tmp_path / "file" / "a.png", animation()[0])


def test_sheets_and_strips(tmp_path):
    images = [np.full((2, 3, 3), value, dtype=np.uint8) for value in (10, 20, 30)]
    sheet = export.contact_grid(images, columns=2, gap=1, scale=2)
    assert sheet.shape == (9, 13, 3)
    assert (sheet[:4, :6] == 10).all() and (sheet[:4, 7:] == 20).all() and (sheet[5:, :6] == 30).all()
    assert (sheet[4] == 255).all() and (sheet[5:, 6:] == 255).all()
    assert export.contact_grid(images * 3).shape == (3 * 4 - 2, 3 * 5 - 2, 3)
    export.save_strip(tmp_path / "s.png", images)
    assert read_png(tmp_path / "s.png").shape == (2, 13, 3)


@pytest.mark.parametrize("suffix", export.TIMELAPSE_SUFFIXES)
def test_a_time_lapse_is_written_a_frame_at_a_time(tmp_path, suffix):
    alive, most = weakref.WeakSet(), []

    def drawn(place: int) -> np.ndarray:
        frame = np.full((64, 64, 3), 9 * place, dtype=np.uint8).view(Frame)
        alive.add(frame)
        most.append(len(alive))
        return frame

    export.save_timelapse(tmp_path / f"t{suffix}", export.Drawn([partial(drawn, place) for place in range(20)]))
    assert len(most) >= 20 and max(most) <= 2


def test_a_byte_order_mark_stays_in_the_file_that_has_one(tmp_path):
    with_mark = tmp_path / "notepad.txt"
    with_mark.write_bytes(b"\xef\xbb\xbfOld \xc3\xbc")
    assert load_text(with_mark) == "Old ü"
    export.save_text(with_mark, "New ü")
    assert with_mark.read_bytes() == b"\xef\xbb\xbfNew \xc3\xbc" and load_text(with_mark) == "New ü"
    export.save_json(with_mark, [1])
    assert json.loads(with_mark.read_text(encoding="utf-8")) == [1]


def test_text_and_json_come_back(tmp_path):
    text = "a\r\nb\tü 😀\n"
    export.save_text(tmp_path / "t.txt", text)
    assert (tmp_path / "t.txt").read_bytes() == text.encode()
    export.save_json(tmp_path / "t.json", {"text": text, "seeds": [2**64 - 1]})
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8")) == {"text": text, "seeds": [2**64 - 1]}
