import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.cli import main
from studio.quality import biharmonic, crps, picture_masks
from studio.runtime.bundle import Bundle
from tests.helpers import picture_bundle, text_bundle


@pytest.fixture
def models(own_home: Path) -> Path:
    return own_home / "studio" / "models"


def test_a_gradient_is_continued_exactly():
    rows, columns = np.mgrid[:32, :32]
    picture = np.stack([4 * rows, 4 * columns, 2 * rows + 2 * columns], axis=-1).astype(np.uint8)
    mask = picture_masks(32, 32)["middle"]
    holed = np.where(mask[..., None], np.uint8(0), picture)
    assert (biharmonic(holed, mask) == picture).all()


def test_inpainting_is_the_squared_laplacian_and_needs_no_matrix_of_all_pixels():
    rng = np.random.default_rng(0)
    picture, mask = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), rng.random((9, 12)) < 0.5
    index = np.arange(mask.size).reshape(mask.shape)
    laplacian = np.zeros((mask.size, mask.size))
    for one, other in ((index[:, :-1], index[:, 1:]), (index[:-1], index[1:])):
        for a, b in zip(one.ravel(), other.ravel(), strict=True):
            laplacian[[a, b, a, b], [b, a, a, b]] += (-1, -1, 1, 1)
    squared, hole, colors = laplacian @ laplacian, mask.ravel(), picture.reshape(-1, 3).astype(float)
    filled = np.linalg.solve(squared[np.ix_(hole, hole)], -squared[np.ix_(hole, ~hole)] @ colors[~hole])
    assert (biharmonic(picture, mask)[mask] == np.clip(np.rint(filled), 0, 255)).all()
    assert (biharmonic(picture, mask)[~mask] == picture[~mask]).all()

    large = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    tracemalloc.start()
    biharmonic(large, picture_masks(64, 64)["middle"])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64**4 * 8 / 10  # a tenth of one matrix of all pixels


def test_masks_leave_something_to_go_by():
    shares = {name: mask.mean() for name, mask in picture_masks(32, 32).items()}
    assert shares["half"] == 0.5
    assert 0.1 < shares["middle"] < 0.2
    assert 0.1 < shares["strokes"] < 0.3


def test_the_score_of_guesses_is_that_of_all_their_pairs():
    rng = np.random.default_rng(0)
    guesses = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    truth = rng.integers(0, 256, (7, 3), dtype=np.uint8)
    values = guesses.astype(float)
    pairs = [np.abs(values[i] - values[j]).mean() for i in range(5) for j in range(i)]
    assert crps(guesses, truth) == pytest.approx(np.abs(values - truth).mean() - np.mean(pairs) / 2)
    same = np.repeat(guesses[:1], 5, axis=0)
    assert crps(same, truth) == pytest.approx(np.abs(values[0] - truth).mean())


def test_guesses_that_spread_as_the_truth_does_score_best():
    rng = np.random.default_rng(0)
    truth = rng.normal(128, 20, 4000).clip(0, 255).astype(np.uint8)

    def score(spread: float) -> float:
        return crps(rng.normal(128, spread, (8, 4000)).clip(0, 255).astype(np.uint8), truth)

    assert score(20) < score(5) and score(20) < score(60)


def test_pictures_are_judged_and_shown(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    picture_bundle(models)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "valid.npz", images=pictures)
    argv = ["quality", "--model", "emoji-32", "--data", str(tmp_path / "valid.npz"), "-o", str(tmp_path / "sheets")]
    assert main([*argv, "--steps", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert set(figures) == {"middle", "half", "strokes"}
    assert all(0 < row["model"] < 255 and 0 < row["biharmonic"] < 255 for row in figures.values())
    # Figures are kept for each set of options; the rest of the manifest stays.
    before = Bundle.open(models / "emoji-32").manifest
    for steps in ("2", "2", "3"):
        assert main([*argv, "--steps", steps, "--json", "--write"]) == 0
    after = Bundle.open(models / "emoji-32").manifest
    assert after.model_copy(update={"evaluation": {}}) == before.model_copy(update={"evaluation": {}})
    kept: Any = after.evaluation["fills"]
    assert [fills["options"] for fills in kept] == [{"steps": 2}, {"steps": 3}]
    assert kept[0] == {"data": "valid.npz", "options": {"steps": 2}, "figures": figures}
    with Image.open(tmp_path / "sheets" / "emoji-32-half.png") as sheet:
        assert sheet.size == (14 * 26 - 2, 24)


def test_texts_are_judged_and_shown(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text_bundle(models)
    line = "There was once a man who lived in a small house by the sea and had three daughters. " * 5
    (tmp_path / "valid.txt.gz").write_bytes(gzip.compress("\n".join([line] * 12).encode()))
    argv = ["quality", "--model", "storybook", "--data", str(tmp_path / "valid.txt.gz"), "-o", str(tmp_path / "sheets")]
    assert main([*argv, "--steps", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["bits by frequency"] > 0
    assert 0 <= figures["top-1 accuracy"] <= 1
    # A network that has learnt nothing: its drafts share as little with each other as with the text.
    assert figures["score of gaps of 6"] == pytest.approx(50, abs=6) and figures["repeated pairs in the text"] == 0
    assert figures["commonest tokens"] < figures["commonest tokens in the text"] <= 100
    assert "→" in (tmp_path / "sheets" / "storybook-fills.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", ["The king [[2]] had three daughters.\n", "daughters" * 2, ""])
def test_a_text_without_paragraphs_is_judged_and_stored(line: str, models: Path, tmp_path: Path):
    text_bundle(models)
    (tmp_path / "valid.txt").write_text(line * 300 or "\n" * 300)
    argv = ["quality", "--model", "storybook", "--data", str(tmp_path / "valid.txt"), "-o", str(tmp_path / "sheets")]
    assert main([*argv, "--steps", "1", "--quiet", "--write"]) == 0
    assert Bundle.open(models / "storybook").manifest.evaluation["fills"]
    assert ("→" in (tmp_path / "sheets" / "storybook-fills.txt").read_text(encoding="utf-8")) == bool(line)


def test_figures_of_lists_of_numbers_and_of_a_seed_take_their_own_place(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    picture_bundle(models)
    pictures = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "valid.npz", images=pictures)
    argv = ["quality", "--model", "emoji-32", "--data", str(tmp_path / "valid.npz"), "-o", str(tmp_path / "sheets")]
    argv += ["--steps", "2", "--warp", "1,2,0", "--quiet", "--write"]
    for seed in ([], ["--seed", "5"], ["--seed", "0"], ["--seed", str(2**64 - 1)]):
        assert main([*argv, *seed]) == 0
    kept: Any = Bundle.open(models / "emoji-32").manifest.evaluation["fills"]
    assert [fills["options"].get("seed") for fills in kept] == [5, None, 2**64 - 1]
    assert all(fills["options"]["warp"] == [1, 2, 0] for fills in kept)
    assert kept[0]["figures"] != kept[1]["figures"] != kept[2]["figures"]
    assert main([*argv, "--seed", "-1"]) == 2
    assert "seed must be a whole number" in capsys.readouterr().err


@pytest.mark.parametrize(("extra", "word"), [(["--count", "0"], "--count"), (["--data", "missing.npz"], "missing.npz")])
def test_what_cannot_be_judged(
    extra: list[str], word: str, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    picture_bundle(models)
    argv = ["quality", "--model", "emoji-32", "--data", str(tmp_path / "no.npz"), *extra]
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1
