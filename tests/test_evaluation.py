"""Likelihoods and maps of surprise, through the command line and by hand."""

import gzip
import io
import json
import lzma
import math
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from studio import cli
from studio.errors import StudioError
from studio.evaluation import evaluate, heat_map, picture_surprise, read_data, text_surprise, text_surprises
from studio.generation import picture_tokenizer, text_tokenizer
from studio.media.compressors import picture_bytes
from studio.prime.subtokens import Subtokens
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from tests.helpers import LINES, picture_bundle, text_bundle

Run = Callable[..., tuple[int, str, str]]
PICTURES = np.random.default_rng(0).integers(0, 256, size=(5, 8, 8, 3), dtype=np.uint8)
TEXT = "\n".join(LINES[:6]) + " Über alles → weiß.\r\n"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    picture_bundle(folder)
    text_bundle(folder)
    return folder


@pytest.fixture
def models(bundles: Path, own_home: Path) -> Path:
    return Path(shutil.copytree(bundles, own_home / "studio" / "models"))


@pytest.fixture
def run(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in a folder with data.npz, pictures/, one.png, text.txt and text.txt.gz; (code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", images=PICTURES)
    Path("pictures").mkdir()
    for index, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(f"pictures/{index}.png")
    Path("pictures/note.txt").write_text("no picture")
    Image.fromarray(PICTURES[0]).save("one.png")
    Path("text.txt").write_bytes(TEXT.encode())
    Path("text.txt.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + TEXT.encode()))  # as some editors begin

    def run(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(["evaluate", *(str(argument) for argument in argv), "--device", "cpu"])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def figures_of(run: Run, *argv: object) -> list[dict[str, Any]]:
    code, out, _ = run(*argv, "--json")
    assert code == 0
    return json.loads(out)["figures"]


def nats_of_everything(bundle: Bundle) -> NDArray[np.float64]:
    """−log p(class), (C,), of a wholly masked token: the tiny networks heed the token's own digits only."""
    y = np.full((1, bundle.num_tokens, bundle.subtokens.length), bundle.subtokens.mask_id)
    logits = OnnxDenoiser(bundle, "cpu")(y, np.array([0]))[0].astype(np.float64)
    return np.log(np.exp(logits).sum()) - logits


class TestFigures:
    def test_pictures_in_one_step(self, run: Run, models: Path) -> None:
        bundle = Bundle.open(models / "emoji-32")
        tokens = picture_tokenizer(bundle).encode(PICTURES)
        nats = nats_of_everything(bundle)[tokens].sum(axis=1)
        (figure,) = figures_of(run, "--data", "data.npz", "--bound", "step", "--steps", 1)
        assert figure["nats"] == pytest.approx(nats.mean(), rel=1e-4)
        assert figure["nats_error"] == pytest.approx(nats.std(ddof=1) / math.sqrt(5), rel=1e-3)
        bits = nats.mean() / 64 / math.log(2)
        assert figure["bits_per_dimension"] == pytest.approx(bits, rel=1e-4)
        assert figure["bits_per_token"] == pytest.approx(bits, rel=1e-4)
        assert figure["perplexity_per_token"] == pytest.approx(2**bits, rel=1e-4)
        assert figure["bits_per_dimension_error"] == pytest.approx(figure["nats_error"] / 64 / math.log(2), rel=1e-4)
        assert (figure["samples"], figure["steps"], figure["schedule"]) == (5, 1, "linear")

    def test_a_folder_gives_the_same_as_an_npz(self, run: Run) -> None:
        same = [figures_of(run, "--data", data, "--granularity", "all") for data in ("data.npz", "pictures")]
        assert same[0] == same[1]
        assert [figure["granularity"] for figure in same[0]] == [1, 4]
        assert [figure["bound"] for figure in same[0]] == ["marginal", "marginal"]
        # Whole tokens that do not heed each other: the states are random, the mean is that of one step.
        (one_step,) = figures_of(run, "--data", "data.npz", "--bound", "step", "--steps", 1)
        more = figures_of(run, "--data", "data.npz", "--granularity", "1", "--pairs", 200)[0]
        assert more["nats"] == pytest.approx(one_step["nats"], rel=0.01)

    def test_texts(self, run: Run, models: Path) -> None:
        bundle = Bundle.open(models / "storybook")
        tokenizer = text_tokenizer(bundle)
        tokens = tokenizer.encode(TEXT.replace("\r\n", "\n"))
        length = bundle.num_tokens
        windows = np.array(tokens[: len(tokens) // length * length]).reshape(-1, length)
        assert len(windows) > 1
        raw = b"".join(tokenizer.pieces[token] for token in windows.ravel())
        nats = nats_of_everything(bundle)[windows].sum()
        for file in ("text.txt", "text.txt.gz"):
            (figure,) = figures_of(run, "--data", file, "--bound", "step", "--steps", 1, "--model", "storybook")
            assert figure["nats"] * len(windows) == pytest.approx(nats, rel=1e-4)
            assert figure["bits_per_byte"] == pytest.approx(nats / len(raw) / math.log(2), rel=1e-4)
            characters = len(raw.decode("utf-8", errors="ignore"))
            assert figure["bits_per_character"] == pytest.approx(nats / characters / math.log(2), rel=0.01)
        assert len(TEXT.encode()) > len(TEXT)

    def test_a_short_text_is_one_window(self, models: Path, tmp_path: Path) -> None:
        (tmp_path / "short.txt").write_text("Once upon a time")
        data = read_data(Bundle.open(models / "storybook"), tmp_path / "short.txt")
        assert data.tokens.shape[0] == 1 and data.units[0][2] == len("Once upon a time")

    def test_the_table(self, run: Run) -> None:
        code, out, err = run("--data", "data.npz", "--granularity", "all", "--joint-loss", "--pairs", 2)
        assert code == 0
        lines = out.splitlines()
        assert lines[0].startswith("emoji-32 on data.npz: 5 samples of 64 tokens") and "palette" in lines[0]
        assert lines[1].startswith("Upper bound on -log p(tokens)") and "bits/pixel" in lines[2]
        assert [line.split()[0] for line in lines[3:5]] == ["1", "4"] and "±" in lines[3]
        assert "not a bound" in lines[5] and len(lines) == 8
        assert "evaluating: call 6 of 6" in err and "joint loss: call 6 of 6" in err
        assert run("--data", "data.npz", "-q")[2] == ""

    def test_the_joint_loss_is_no_bound(self, run: Run) -> None:
        code, out, _ = run("--data", "data.npz", "--joint-loss", "--json")
        (loss,) = json.loads(out)["joint_loss"]
        assert code == 0 and loss["bound"] == "joint" and "perplexity_per_token" not in loss
        assert not any(key.startswith("bits") for key in loss)

    def test_batches_take_a_part_of_the_data(self, models: Path, tmp_path: Path) -> None:
        np.savez(tmp_path / "many.npz", images=np.repeat(PICTURES, 5, axis=0))
        bundle = Bundle.open(models / "emoji-32")
        whole, part = read_data(bundle, tmp_path / "many.npz"), read_data(bundle, tmp_path / "many.npz", batches=1)
        assert len(whole.tokens) == 25 and len(part.tokens) == 8
        assert (part.tokens[[0, -1]] == whole.tokens[[0, -1]]).all() and part.sha256 == whole.sha256

    def test_what_is_no_npz_of_pictures(self, models: Path, tmp_path: Path) -> None:
        bundle, path = Bundle.open(models / "emoji-32"), tmp_path / "data.npz"
        header, member = io.BytesIO(), io.BytesIO()
        claim = {"descr": "|u1", "fortran_order": False, "shape": (10**13, 8, 8, 3)}
        np.lib.format.write_array_header_1_0(header, claim)
        np.save(member, PICTURES)
        for name, data in (("images.npy", header.getvalue()), ("images", b"hello"), (None, member.getvalue())):
            if name is None:  # an .npy under another name
                path.write_bytes(data)
            else:
                with zipfile.ZipFile(path, "w") as archive:
                    archive.writestr(name, data)
            with pytest.raises(StudioError, match="data"):
                read_data(bundle, path)

    def test_one_picture_has_no_error_of_one_pair(self, run: Run) -> None:
        (figure,) = figures_of(run, "--data", "one.png")
        assert figure["nats_error"] is None and figure["samples"] == 1
        assert figures_of(run, "--data", "one.png", "--pairs", 3)[0]["nats_error"] > 0

    def test_what_is_infinite_is_said(self, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
        from studio.commands.evaluate import _shown

        bundle = Bundle.open(models / "emoji-32")

        def certain(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
            return np.where(np.arange(16) == 3, np.float32(0), np.float32(-np.inf)) + np.zeros((len(rows), 16), "f4")

        data = read_data(bundle, _saved(np.zeros((2, 8, 8, 3), dtype=np.uint8), models / "black.npz"))
        (figure,) = evaluate(bundle, certain, data, bound="step", steps=1, granularities=[4])
        assert figure["nats"] is None and json.dumps(figure, allow_nan=False)
        assert _shown(None, None, 5, 1) == "  inf"

    def test_a_broken_network_is_named(self, models: Path) -> None:
        bundle = Bundle.open(models / "emoji-32")
        data = read_data(bundle, _saved(PICTURES, models / "data.npz"))
        with pytest.raises(StudioError, match="emoji-32 does not work"):
            evaluate(bundle, lambda y, rows: np.full((len(rows), 16), np.nan, "f4"), data, granularities=[4])


class TestCompressors:
    def test_they_are_measured_on_the_same_data(self, run: Run, models: Path) -> None:
        code, out, _ = run("--data", "data.npz", "--compressors", "--json")
        rows = {row["name"]: row["bits_per_dimension"] for row in json.loads(out)["compressors"]}
        assert code == 0 and len(rows) == 6
        bundle = Bundle.open(models / "emoji-32")
        tokens = read_data(bundle, "data.npz").tokens
        packed = lzma.compress(tokens.astype(np.uint8).tobytes(), lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME)
        assert rows["xz, all in one"] == pytest.approx(8 * len(packed) / tokens.size, rel=1e-5)
        # Noise of 16 greys has four bits a pixel; a file each pays for its frame.
        assert all(rows[f"{kind}, a file each"] > 4 for kind in ("PNG", "WebP lossless", "xz"))
        code, out, _ = run("--data", "text.txt", "--compressors")
        assert code == 0 and out.splitlines()[-1].startswith("xz  ") and "bits/byte" in out.splitlines()[-1]

    def test_what_they_write_is_the_picture(self) -> None:
        """The sizes are of files that come back pixel by pixel."""
        smooth = np.repeat(np.arange(0, 256, 8, dtype=np.uint8)[None, :, None], 32, axis=0).repeat(3, axis=2)
        pictures = np.stack([smooth, smooth.transpose(1, 0, 2)] * 300)
        sizes = picture_bytes(pictures, pictures[..., 0] // 8)
        plain = 0
        for picture in pictures[:2]:
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG")
            plain += len(buffer.getvalue())
        assert 0 < sizes["PNG, a file each"] <= 300 * plain
        assert sizes["WebP lossless, one sheet of all"] < sizes["WebP lossless, a file each"] / 50
        assert sizes["xz, all in one"] < 600

    def test_they_are_kept_with_the_figures_of_the_data(self, run: Run, models: Path) -> None:
        path = models / "emoji-32" / "manifest.json"
        assert run("--data", "data.npz", "--compressors", "--write")[0] == 0
        stored = json.loads(path.read_text())["likelihood"]["compressors"]
        assert len(stored) == 6
        assert run("--data", "data.npz", "--granularity", 4, "--write")[0] == 0
        assert json.loads(path.read_text())["likelihood"]["compressors"] == stored
        assert run("--data", "one.png", "--write")[0] == 0
        assert "compressors" not in json.loads(path.read_text())["likelihood"]


def _saved(pictures: NDArray[np.uint8], path: Path) -> Path:
    np.savez(path, images=pictures)
    return path


class TestWrite:
    def test_figures_are_kept_with_the_model(self, run: Run, models: Path) -> None:
        path = models / "emoji-32"
        before = Bundle.open(path)
        assert run("--data", "data.npz", "--granularity", "all", "--write")[0] == 0
        bundle = Bundle.open(path)
        stored = bundle.manifest.likelihood
        assert stored is not None and stored["data"] == "data.npz" and bundle.digest != before.digest
        assert bundle.manifest.model_copy(update={"likelihood": None}) == before.manifest
        assert stored["figures"] == figures_of(run, "--data", "data.npz", "--granularity", "all")

        # Figures of the same data join them, or take the place of those of the same kind.
        assert run("--data", "pictures", "--bound", "step", "--steps", 3, "--write")[0] == 0
        assert run("--data", "data.npz", "--granularity", 4, "--seed", 5, "--write")[0] == 0
        assert kinds(path) == [("marginal", 1, 0), ("step", 1, 0), ("marginal", 4, 5)]

        # Other data, other figures.
        assert run("--data", "one.png", "--write")[0] == 0
        assert kinds(path) == [("marginal", 1, 0)]

    def test_a_folder_that_cannot_be_written(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise StudioError("Cannot write: the disk is full.")

        monkeypatch.setattr("studio.evaluation.write_atomic", full)
        assert_refused(run("--data", "data.npz", "--write"), "disk is full")


def kinds(path: Path) -> list[tuple[str, int, int]]:
    figures = json.loads((path / "manifest.json").read_text())["likelihood"]["figures"]
    return [(figure["bound"], figure["granularity"], figure["seed"]) for figure in figures]


class TestMap:
    def test_picture(self, run: Run, models: Path) -> None:
        bundle = Bundle.open(models / "emoji-32")
        wanted = nats_of_everything(bundle)[picture_tokenizer(bundle).encode(PICTURES[0])].reshape(8, 8) / math.log(2)
        code, out, err = run("--data", "one.png", "--map", "map.json")
        assert code == 0 and out.startswith("map.json  (given all others, a pixel has")
        assert "judging: call 8 of 8" in err
        content = json.loads(Path("map.json").read_text())
        assert np.allclose(content["bits"], wanted, atol=1e-3) and content["unit"] == "bits a pixel"
        assert content["mean"] == pytest.approx(wanted.mean(), abs=1e-3)

        assert run("--data", "one.png", "--map", "map.png")[0] == 0
        pixels = np.asarray(Image.open("map.png"))
        assert pixels.shape == (512, 512, 3)
        assert np.abs(pixels[::64, ::64].astype(int) - heat_map(wanted, 4)).max() <= 1

    def test_text(self, run: Run) -> None:
        code, out, _ = run("--data", "text.txt", "--map", "map.json", "--json")
        assert code == 0 and json.loads(out)["unit"] == "bits a token"
        content = json.loads(Path("map.json").read_text(encoding="utf-8"))
        assert all(token["bits"] > 0 for token in content["tokens"])
        assert "".join(token["text"] for token in content["tokens"]).startswith("Once upon a time")

    def test_text_comes_back_byte_for_byte(self, models: Path) -> None:
        bundle = Bundle.open(models / "storybook")
        judged = text_surprise(bundle, OnnxDenoiser(bundle, "cpu"), "Salmon → Matte")
        assert b"".join(piece for piece, _ in judged).decode() == "Salmon → Matte"

    def test_a_text_is_judged_from_a_place_on_and_then_before_it(self, models: Path) -> None:
        bundle = Bundle.open(models / "storybook")
        text = "There lived a king with a golden crown and three daughters. " * 3
        calls, stream = text_surprises(bundle, OnnxDenoiser(bundle, "cpu"), text)
        in_order = [token for some in stream for token in some]
        assert calls == -(-len(in_order) // 8)
        begin = text.index("golden") + 2
        calls, stream = text_surprises(bundle, OnnxDenoiser(bundle, "cpu"), text, begin=begin)
        parts = list(stream)
        tokens = [token for some in parts for token in some]
        assert len(parts) == calls and tokens[0].start <= begin < tokens[0].stop
        tokens.sort(key=lambda token: token.start)
        assert [one.start for one in tokens] == [one.start for one in in_order]
        assert np.allclose([one.bits for one in tokens], [one.bits for one in in_order], atol=1e-3)

    def test_three_tokens_a_pixel_add_up(self) -> None:
        tokenizer = SimpleNamespace(kind="rgb", file=None)
        manifest = SimpleNamespace(modality="image", grid=(8, 8), tokenizer=tokenizer)
        bundle: Any = SimpleNamespace(
            name="rgb", manifest=manifest, num_tokens=192, subtokens=Subtokens(256, 8), digest=""
        )

        def uniform(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
            return np.zeros((len(rows), 256), dtype=np.float32)

        assert np.allclose(picture_surprise(bundle, uniform, PICTURES[0]), 24)

    def test_heat_is_readable_in_grey(self) -> None:
        colors = heat_map(np.linspace(-1, 5, 200)[None], 4.0)[0].astype(float)
        grey = colors @ [0.299, 0.587, 0.114]
        assert (np.diff(grey) >= -0.5).all() and grey[0] < 2 and grey[-1] > 240
        assert np.diff(grey[33:167:10]).min() > 5


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    code, out, err = result
    line = err.strip().splitlines()[-1]
    assert code == 2 and out == "" and line.startswith("prime-studio: ")
    for word in words:
        assert word in line, line


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["--data", "nothing.npz"], "no file"),
        (["--data", "data.npz", "--granularity", "3"], "not trained for granularity 3"),
        (["--data", "data.npz", "--granularity", "some"], "a number or all"),
        (["--data", "data.npz", "--steps", "3"], "for --bound step"),
        (["--data", "data.npz", "--bound", "step", "--steps", "0"], "steps must be at least 1"),
        (["--data", "data.npz", "--bound", "step", "--schedule", "never"], "unknown schedule"),
        (["--data", "data.npz", "--bound", "best"], "invalid choice"),
        (["--data", "data.npz", "--batches", "0"], "--batches must be at least 1"),
        (["--data", "data.npz", "--pairs", "0"], "--pairs must be at least 1"),
        (["--data", "data.npz", "--seed", "-1"], "seed"),
        (["--data", "data.npz", "--model", "storybook"], "no text by its name"),
        (["--data", "text.txt", "--model", "emoji-32"], "not a picture"),
        (["--data", "text.txt.gz", "--map", "map.png"], ".json"),
        (["--data", "one.png", "--map", "map.jpg"], ".png or .json"),
        (["--data", "pictures", "--map", "map.png"], "is a folder"),
        (["--data", "one.png", "--map", "map.png", "--write"], "give one of them"),
        (["--data", "large.png"], "16×8 pixels, the model 8×8"),
        (["--data", "large.png", "--map", "map.png"], "takes pictures of 8×8"),
        (["--data", "large.npz"], "must be uint8 of shape"),
        (["--data", "other.npz"], "cannot be read"),
        (["--data", "cut.npz"], "cannot be read"),
        (["--data", "none"], "holds no pictures"),
        (["--data", "empty.txt"], "empty"),
        (["--data", "junk.parquet", "--model", "storybook"], "no text by its name"),
        (["--data", "junk.PNG.gz", "--model", "storybook"], "no text by its name"),
        (["--data", "cut.txt.gz"], "cannot be read"),
        (["--data", "no.gz"], "cannot be read"),
    ],
)
def test_refusals(run: Run, argv: list[str], word: str) -> None:
    Image.new("RGB", (16, 8)).save("large.png")
    _saved(np.zeros((2, 16, 8, 3), dtype=np.uint8), Path("large.npz"))
    np.savez("other.npz", pictures=PICTURES)
    whole = io.BytesIO()
    np.savez(whole, images=PICTURES)
    Path("cut.npz").write_bytes(whole.getvalue()[:-100])
    Path("none").mkdir()
    Path("empty.txt").touch()
    for name in ("junk.parquet", "junk.PNG.gz"):
        Path(name).write_text("Once upon a time. " * 99)
    Path("cut.txt.gz").write_bytes(Path("text.txt.gz").read_bytes()[:-30])
    Path("no.gz").write_text("not compressed")
    assert_refused(run(*argv), word)
