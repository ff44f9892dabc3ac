"""Every kind of data gives the same pictures; what is bad is named; nothing of a stranger's pickle is run."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.datasets import pictures as kinds
from studio.datasets.pictures import fit, pictures
from studio.errors import StudioError

GREYS = np.random.default_rng(0).integers(0, 256, (5, 8, 8), dtype=np.uint8)
COLORS = np.random.default_rng(1).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
CIFAR = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def read(path: Path, column: str = "") -> np.ndarray:
    return np.stack([load() for _, load in pictures(path, column)])


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def batch(protocol: int = 2) -> bytes:
    content = {b"data": CIFAR.transpose(0, 3, 1, 2).reshape(3, 3072), b"labels": [1, 2, 3], b"batch_label": b"one"}
    return pickle.dumps(content, protocol=protocol)


def test_a_folder_and_a_zip_give_the_same_in_the_order_of_names(tmp_path: Path):
    folder = tmp_path / "pictures"
    (folder / "b").mkdir(parents=True)
    for index, name in enumerate(["a.png", "b/1.png", "b/2.PNG", "c.png"]):
        (folder / name).write_bytes(png(COLORS[index]))
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for file in folder.rglob("*.[pP]*"):
            if not file.name.startswith("."):
                archive.write(file, file.relative_to(folder))
    assert (read(folder) == COLORS).all()
    assert (read(tmp_path / "pictures.zip") == COLORS).all()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_of_many_shapes(tmp_path: Path, compressed: bool):
    save = np.savez_compressed if compressed else np.savez
    alpha = np.concatenate([COLORS, np.zeros((4, 8, 8, 1), np.uint8)], axis=3)
    for name, array, expected in (
        ("rgb", COLORS, COLORS),
        ("grey", GREYS, GREYS[..., None].repeat(3, 3)),
        ("one", GREYS[..., None], GREYS[..., None].repeat(3, 3)),
        ("first", COLORS.transpose(0, 3, 1, 2), COLORS),
        ("alpha", alpha, np.full_like(COLORS, 255)),
    ):
        save(tmp_path / f"{name}.npz", labels=np.arange(4), images=np.ascontiguousarray(array))
        assert (read(tmp_path / f"{name}.npz") == expected).all(), name


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"])
def test_idx(tmp_path: Path, name: str):
    data = struct.pack(">BBBB3I", 0, 0, 8, 3, *GREYS.shape) + GREYS.tobytes()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 1, 8, 8) + bytes(64))
    assert (read(tmp_path / name) == GREYS[..., None].repeat(3, 3)).all()
    assert len(read(tmp_path)) == 5  # of a folder, the training pictures only
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(data[:60])
    with pytest.raises(StudioError, match="cut short"):
        read(tmp_path / "t10k-images-idx3-ubyte")


@pytest.mark.parametrize("shape", [(2, 10, 10, 7), (2**32 - 1, 0, 0), (2**32 - 1, 0, 8, 3)])
def test_arrays_that_are_no_pictures(tmp_path: Path, shape: tuple[int, ...]):
    (tmp_path / "a-idx3-ubyte").write_bytes(struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(1400))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue() + bytes(1400))
    for name in ("a-idx3-ubyte", "a.npz"):
        with pytest.raises(StudioError, match=f"^{name} holds no pictures"):
            next(pictures(tmp_path / name))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_cifar_batches(tmp_path: Path, protocol: int):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(batch(protocol))
    (folder / "test_batch").write_bytes(b"never read")
    if protocol == 5:  # NumPy writes these otherwise; the published ones are of protocol 2
        with pytest.raises(StudioError, match=r"numpy\._core"):
            read(folder)
        return
    assert (read(folder) == CIFAR).all()
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-py")
    assert (read(tmp_path / "cifar.tar.gz") == CIFAR).all()


def test_what_unpacks_to_too_much_is_listed_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kinds, "MAX_PICTURE_BYTES", 1000)
    monkeypatch.setattr(kinds, "MAX_BYTES", 20_000)
    folder = tmp_path / "cifar"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(batch())
    (folder / "data_batch_2").write_bytes(bytes(30_000))
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        archive.add(folder, "cifar")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", png(COLORS[0]))
        archive.writestr("1.png", bytes(1_000_000))
    for data, good in (("cifar", 3), ("cifar.tar.gz", 3), ("a.zip", 1)):
        items = list(pictures(tmp_path / data))
        assert [len(load()) for _, load in items[:good]] == [32 if good == 3 else 8] * good
        assert len(items) == good + 1
        with pytest.raises(StudioError, match="bytes unpacked, more than"):
            items[-1][1]()
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((2, 40, 40), np.uint8))
    (tmp_path / "a-idx3-ubyte").write_bytes(struct.pack(">4B4I", 0, 0, 8, 4, 1, 1 << 31, 1 << 31, 4))
    for name in ("a.npz", "a-idx3-ubyte"):
        with pytest.raises(StudioError, match="bytes unpacked, more than"):
            read(tmp_path / name)


class _Bomb:
    def __reduce__(self):
        return os.system, ("touch bombed",)


def test_nothing_in_a_pickle_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    hostile = {
        "bomb": pickle.dumps({b"data": _Bomb()}),
        "builtin": b'c__builtin__\neval\n(S\'open("bombed", "w")\'\ntR.',
        "attribute": pickle.dumps(np.random.default_rng),
        "nothing": b"",
        "loop": b"}(X\x04\x00\x00\x00dataq\x00h\x00u.",
        "deep": b"(" * 100_000,
        "object": pickle.dumps({b"data": np.array([{"a": 1}], dtype=object)}, protocol=2),
        "stand-in": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntNI00\nNtb.",
    }
    for name, data in hostile.items():
        path = tmp_path / f"data_batch_{name}"
        path.write_bytes(data)
        with pytest.raises(StudioError, match="CIFAR batch") as error:
            list(pictures(path))
        assert "\n" not in str(error.value)
        assert not Path("bombed").exists()


def test_parquet_without_its_reader_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(StudioError, match="pyarrow"):
        read(tmp_path / "a.parquet")


def test_parquet(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [png(picture) for picture in COLORS]
    table = pa.table({"label": [0, 1, 2, 3], "image": [{"bytes": f, "path": "x"} for f in files], "raw": files})
    pq.write_table(table, tmp_path / "train-0.parquet", row_group_size=2)
    assert (read(tmp_path / "train-0.parquet") == COLORS).all()
    assert (read(tmp_path / "train-0.parquet", "raw") == COLORS).all()
    assert (read(tmp_path) == COLORS).all()  # a folder of shards
    with pytest.raises(StudioError, match="label, image, raw"):
        read(tmp_path / "train-0.parquet", "label")
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(StudioError, match="Parquet"):
        read(tmp_path)


def test_what_is_no_data_is_one_sentence(tmp_path: Path):
    np.savez(tmp_path / "numbers.npz", a=np.zeros((2, 4, 4, 3)))
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    (tmp_path / "song.mp3").write_bytes(b"ID3")
    expected = {"missing": "no data", "numbers.npz": "uint8", "broken.npz": "archive", "broken.zip": "archive"}
    for name, word in (expected | {"song.mp3": "kinds of data"}).items():
        with pytest.raises(StudioError, match=word) as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)


def test_fitting():
    picture = np.zeros((8, 16, 3), np.uint8)
    picture[:, 4:12] = 255
    assert (fit(picture, 8, 8) == 255).all()  # the middle
    padded = fit(picture, 16, 16, "pad")
    assert (padded[:4] == 255).all()
    assert (padded[4:12, :4] == 0).all()
    small = fit(np.array([[[0, 0, 0], [255, 255, 255]]] * 2, np.uint8), 8, 8)
    assert set(np.unique(small)) == {0, 255}  # enlarged without blur
