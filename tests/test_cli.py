"""The command line as its users meet it: what it makes, what it says, what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio import __version__, cli, generation
from studio.commands import common, demo, inpaint
from studio.commands.sample import AT_ONCE
from studio.errors import StudioError
from studio.media.export import read_parameters
from studio.runtime import catalog, denoiser, devices
from studio.runtime.denoiser import OnnxDenoiser
from tests.helpers import picture_bundle, text_bundle

Run = Callable[..., tuple[int, str, str]]
TEXT = "Once upon a [[4]] there lived [[3]]."


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    picture_bundle(folder)
    text_bundle(folder)
    return folder


@pytest.fixture(autouse=True)
def installed(bundles: Path, own_home: Path) -> None:
    shutil.copytree(bundles, own_home / "studio" / "models")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own folder with a picture of 20 × 16 and a mask, the working folder of the command."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, size=(16, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("in.png")
    mask = np.zeros((16, 20), dtype=np.uint8)
    mask[5:9, 6:11] = 255
    Image.fromarray(mask).save("mask.png")
    Image.fromarray(np.zeros_like(mask)).save("black.png")
    Image.fromarray(mask[:8]).save("small.png")
    Path("not.png").write_text("no picture")
    return tmp_path


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = cli.main([str(argument) for argument in argv])
        except SystemExit as leaving:  # --help and --version
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def shots(path: str | Path) -> int:
    with Image.open(path) as image:
        return getattr(image, "n_frames", 1)


FILL = ("inpaint", "in.png", "--mask", "mask.png")


class TestInpaint:
    def test_fills_the_mask_only(self, run: Run) -> None:
        code, out, _ = run(*FILL, "-o", "out.png", "--seed", 3)
        assert code == 0 and out.startswith("out.png  (seed 3, 6 calls")
        mask = pixels("mask.png") > 0
        assert (pixels("out.png")[~mask] == pixels("in.png")[~mask]).all()
        assert (pixels("out.png")[mask] != pixels("in.png")[mask]).any()

    def test_default_name(self, run: Run) -> None:
        assert run(*FILL)[0] == 0
        assert Path("in-filled.png").is_file()

    def test_the_seed_decides(self, run: Run) -> None:
        for name, seed in (("a", 3), ("b", 3), ("c", 2**64 - 1)):
            assert run(*FILL, "-o", f"{name}.png", "--seed", seed)[0] == 0
        assert (pixels("a.png") == pixels("b.png")).all()
        assert (pixels("a.png") != pixels("c.png")).any()

    def test_again_makes_the_same_pixels(self, run: Run) -> None:
        options = ("--variations", 3, "--remask", 0.3, "--frame", "1,2,14", "--temperature", 1.2, "--steps", 9)
        assert run(*FILL, "-o", "out.png", *options)[0] == 0
        assert len({pixels(f"out-{i}.png").tobytes() for i in (1, 2, 3)}) == 3
        for i in (1, 2, 3):
            assert run("inpaint", "--again", f"out-{i}.png")[0] == 0
            assert Path(f"out-{i}-again.png").read_bytes() == Path(f"out-{i}.png").read_bytes()

    def test_again_does_not_need_what_was_under_the_mask(self, run: Run) -> None:
        assert run(*FILL, "-o", "out.png", "--planes", "low")[0] == 0
        Path("in.png").unlink()
        assert run("inpaint", "--again", "out.png", "-o", "again.png")[0] == 0
        assert (pixels("again.png") == pixels("out.png")).all()

    def test_again_refuses_what_it_cannot_keep(self, run: Run, own_home: Path) -> None:
        assert run(*FILL, "-o", "out.png")[0] == 0
        assert_refused(run("inpaint", "--again", "out.png", "--temperature", 0), "leave out temperature")
        assert_refused(run("inpaint", "--again", "out.png", "--variations", 1), "leave out variations")
        assert_refused(run("inpaint", "--again", "in.png"), "holds no request")
        assert_refused(run("inpaint", "--again", "mask.jpg"), "no file")
        Image.open("out.png").crop((0, 0, 10, 10)).save("cut.png", pnginfo=chunk(read_parameters("out.png")))
        assert_refused(run("inpaint", "--again", "cut.png"), "size must not be changed")
        manifest = own_home / "studio" / "models" / "emoji-32" / "manifest.json"
        manifest.write_text(manifest.read_text().replace("A tiny model", "Another model"))
        assert_refused(run("inpaint", "--again", "out.png"), "another version of the model emoji-32")

    @pytest.mark.parametrize(
        "change",
        [
            {"request": None},
            {"variation": 5},
            {"variation": "x"},
            {"request": {"version": 9}},
            {"provider": None},
            None,
        ],
    )
    def test_a_damaged_request(self, run: Run, change: dict[str, Any] | None) -> None:
        assert run(*FILL, "-o", "out.png")[0] == 0
        parameters = json.loads(read_parameters("out.png") or "")
        text = "[" * 5000 if change is None else json.dumps(parameters | change)
        Image.open("out.png").save("bad.png", pnginfo=chunk(text))
        code, out, err = run("inpaint", "--again", "bad.png")
        if change == {"provider": None}:
            assert code == 0 and "It was made on None" in err
        else:
            assert_refused((code, out, err), "request")

    def test_alpha(self, run: Run) -> None:
        rgba = np.dstack([pixels("in.png"), np.full((16, 20), 255, dtype=np.uint8)])
        rgba[3:7, 4:8, 3] = 0
        rgba[0, 0, 3] = 200
        Image.fromarray(rgba).save("alpha.png")
        assert run("inpaint", "alpha.png", "--mask", "alpha", "-o", "out.png")[0] == 0
        out, hole = pixels("out.png"), rgba[..., 3] == 0
        assert (out[hole][:, 3] == 255).all() and (out[~hole] == rgba[~hole]).all()
        assert run("inpaint", "--again", "out.png", "-o", "again.png")[0] == 0
        assert (pixels("again.png") == out).all()
        assert_refused(run("inpaint", "in.png", "--mask", "alpha"), "no transparent part")

    @pytest.mark.parametrize("suffix", [".webp", ".gif", ".mp4"])
    def test_timeline(self, run: Run, suffix: str) -> None:
        assert run(*FILL, "-o", "out.png", "--variations", 2, "--timeline", f"t{suffix}")[0] == 0
        assert Path(f"t{suffix}").stat().st_size > 100
        if suffix != ".mp4":
            assert shots(f"t{suffix}") > 2

    def test_a_time_lapse_that_no_file_of_its_kind_can_hold(self, run: Run) -> None:
        Image.new("RGB", (17_000, 8), "red").save("wide.png")
        mask = np.zeros((8, 17_000), dtype=np.uint8)
        mask[:4, :4] = 255
        Image.fromarray(mask).save("wide-mask.png")
        wide = ("inpaint", "wide.png", "--mask", "wide-mask.png", "-o", "out.png", "--steps", 2)
        assert_refused(run(*wide, "--timeline", "t.webp"), "would be 17,000 pixels long, and this kind of file takes")
        assert run(*wide, "--timeline", "t.gif")[0] == 0 and shots("t.gif") > 1

    def test_what_was_made_is_there_though_the_time_lapse_cannot_be_written(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise StudioError("The disk is full.")

        monkeypatch.setattr(inpaint, "save_timelapse", full)
        assert_refused(run(*FILL, "-o", "out.png", "--timeline", "t.gif"), "The disk is full")
        assert Path("out.png").is_file()

    def test_json_and_quiet(self, run: Run) -> None:
        code, out, err = run(*FILL, "-o", "out.png", "--json", "--quiet", "--seed", 5, "--variations", 2)
        assert code == 0 and err == "" and out.count("\n") == 1
        facts = json.loads(out)
        assert facts["files"] == ["out-1.png", "out-2.png"] and facts["seeds"] == [5, 6]
        assert facts["provider"] == "CPU" and facts["calls"] == 6 and len(facts["confidence"]) == 2

    def test_warnings_are_not_progress(self, run: Run) -> None:
        Image.fromarray(pixels("in.png")[..., 0].astype(np.uint16) << 8).save("deep.png")
        code, out, err = run("inpaint", "deep.png", "--mask", "mask.png", "-o", "out.png", "--json", "-q")
        assert code == 0 and "16 bits" in err and err.count("\n") == 1
        assert json.loads(out)["files"] == ["out.png"]

    @pytest.mark.parametrize("driver, told", [(None, True), ("no NVIDIA driver is installed", False)])
    def test_a_card_that_is_not_used_is_worth_a_warning(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, driver: str | None, told: bool
    ) -> None:
        monkeypatch.setattr(denoiser, "cuda_problem", lambda: "CUDA does not start")
        monkeypatch.setattr(devices, "driver_problem", lambda: driver)
        code, _, err = run(*FILL, "-o", "out.png", "-q")
        assert (code, err) == (0, "emoji-32 on CPU: CUDA does not start\n" if told else "")

    @pytest.mark.parametrize("output", ["in.png", "mask.png", "link.png"])
    def test_what_it_is_made_from_stays(self, run: Run, output: str) -> None:
        Path("link.png").symlink_to("in.png")
        before = {name: Path(name).read_bytes() for name in ("in.png", "mask.png")}
        assert_refused(run(*FILL, "-o", output), f"{output} is what it would be made from")
        shutil.copy("in.png", "in-2.png")
        numbered = ("inpaint", "in-2.png", "--mask", "mask.png", "-o", "in.png", "--variations", 2)
        assert_refused(run(*numbered), "in-2.png is what it would be made from")
        Image.open("in.png").save("in.webp", lossless=True)
        moving = ("inpaint", "in.webp", "--mask", "mask.png", "-o", "out.png", "--timeline", "./in.webp")
        assert_refused(run(*moving), "./in.webp is what it would be made from")
        assert run(*FILL, "-o", "out.png")[0] == 0
        assert_refused(run("inpaint", "--again", "out.png", "-o", "out.png"), "out.png is what it would be made from")
        assert_refused(run("evaluate", "--data", "in.png", "--map", "in.png"), "in.png is what it would be made from")
        assert {name: Path(name).read_bytes() for name in before} == before

    def test_progress_in_lines(self, run: Run) -> None:
        err = run(*FILL, "--device", "cpu")[2]
        assert "emoji-32 on CPU\n" in err and "filling: step 6 of 6, 6 calls" in err

    def test_progress_on_a_terminal(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        assert "6/6" in run(*FILL)[2]


def chunk(text: str | None) -> Any:
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_itxt("prime-studio", text or "")
    return chunks


def test_published_sampling_options(run: Run, here: Path) -> None:
    options = ["--draw", "marginal", "--temperature-slope=-0.2,2", "--warp", "1,2,0", "--corrector", "12,2,0.25"]
    code, out, _ = run(*FILL, "--seed", 5, *options, "--policy", "ancestral", "--json", "-o", "a.png")
    facts = json.loads(out)
    assert code == 0 and facts["draw"] == "marginal" and facts["temperature_slope"] == [-0.2, 2]
    assert (facts["warp"], facts["corrector"]) == ([1, 2, 0], [12, 2, 0.25])
    assert run("inpaint", "--again", "a.png", "-o", "b.png", "-q")[0] == 0
    assert np.array_equal(np.asarray(Image.open("a.png")), np.asarray(Image.open("b.png")))
    assert_refused(run("inpaint", "--again", "a.png", "--warp", "off"), "leave out warp")
    code, out, _ = run(
        *FILL, "--warp", "off", "--corrector", "off", "--temperature-slope", "off", "--json", "-o", "a.png"
    )
    assert code == 0 and json.loads(out)["corrector"] == [0, 0, 0]


def assert_refused(answer: tuple[int, str, str], what: str) -> None:
    """Exit code 2, nothing on stdout, one line on stderr that says `what`."""
    code, out, err = answer
    assert (code, out) == (2, ""), err
    last = err.splitlines()[-1]
    assert last.startswith("prime-studio: ") and what in last, err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (("inpaint",), "Name the picture"),
        (("inpaint", "in.png"), "Say what to fill"),
        (("inpaint", "none.png", "--mask", "mask.png"), "no file none.png"),
        (("inpaint", "not.png", "--mask", "mask.png"), "not.png is not a picture"),
        (("inpaint", ".", "--mask", "mask.png"), "folder"),
        (("inpaint", "in.png", "--mask", "none.png"), "no file none.png"),
        (("inpaint", "in.png", "--mask", "small.png"), "20×8"),
        (("inpaint", "in.png", "--mask", "black.png"), "Nothing to fill"),
        ((*FILL, "-o", "out.jpg"), ".png"),
        ((*FILL, "-o", "in.png/out.png"), "Cannot write"),
        ((*FILL, "--timeline", "t.avi"), ".webp"),
        ((*FILL, "--steps", 0), "steps must be at least 1, not 0."),
        ((*FILL, "--steps", 10**6), "steps must be at most 100,000, not 1,000,000."),
        ((*FILL, "--steps", 10**400), "steps must be at most 100,000, not a number of more than 300 digits."),
        ((*FILL, "--steps", "many"), "invalid int value"),
        ((*FILL, "--granularity", 3), "not trained for granularity 3: use one of 1, 4"),
        ((*FILL, "--policy", "best"), "policy"),
        ((*FILL, "--schedule", "best"), "schedule"),
        ((*FILL, "--temperature", "nan"), "temperature must be a finite number, not nan."),
        ((*FILL, "--top-p", 0), "top_p must be more than 0, not 0."),
        ((*FILL, "--remask", 2), "remask"),
        ((*FILL, "--draw", "alone"), "invalid choice"),
        ((*FILL, "--temperature-slope", "1"), "must be 2 numbers"),
        ((*FILL, "--warp", "1,two,3"), "must be 3 numbers"),
        ((*FILL, "--warp", "1,0,0"), "warp"),
        ((*FILL, "--corrector", "12,2"), "must be 3 numbers"),
        ((*FILL, "--corrector", "nan,2,2"), "corrector"),
        ((*FILL, "--corrector", "12,2,2", "--remask", 0.1), "remask and corrector"),
        ((*FILL, "--seed", -1), "seed"),
        ((*FILL, "--seed", 2**64), "seed"),
        ((*FILL, "--variations", 0), "--variations"),
        ((*FILL, "--frame", "1,2"), "frame"),
        ((*FILL, "--frame", "9,9,8"), "does not hold the whole mask"),
        ((*FILL, "--planes", "9"), "places"),
        ((*FILL, "--planes", ""), "planes"),
        ((*FILL, "--frame", ""), "frame"),
        ((*FILL, "--timeline", ""), ".webp"),
        ((*FILL, "--model", "none"), "There is no model none; installed are: emoji-32, storybook"),
        ((*FILL, "--model", "storybook"), "model for texts"),
        ((*FILL, "--device", "tpu"), "invalid choice"),
        (("infill",), "Give one text"),
        (("infill", "a", "--file", "b"), "Give one text"),
        (("infill", ""), "empty"),
        (("infill", "no gap"), "no gap"),
        (("infill", "a [[0]]"), "gap"),
        (("infill", "a [[47]]"), "too long"),
        (("infill", "--file", "none.txt"), "no file"),
        (("infill", "--file", "in.png"), "not UTF-8"),
        (("infill", TEXT, "--model", "emoji-32"), "model for pictures"),
        (("infill", TEXT, "--drafts", 0), "--drafts"),
        (("infill", TEXT, "--alternatives", 0), "--alternatives"),
        (("infill", "no gap", "--alternatives"), "no gap"),
        (("infill", "no gap", "--surprise", "-o", "out.txt"), "no gap"),
        (("infill", "", "--surprise"), "empty"),
        (("infill", TEXT, "-o", "out.png"), "end in .txt or .md or .html or .json"),
        (("infill", TEXT, "-o", "."), "end in .txt"),
        (("sample",), "-o FOLDER"),
        (("sample", "-n", 0, "-o", "x"), "-n must"),
        (("sample", "-o", "x.jpg"), ".png"),
        (("sample", "-o", "x", "--tokens", 3), "--tokens is for texts"),
        (("sample", "--model", "storybook", "--tokens", 999), "makes 1 to 48 tokens, not 999"),
        (("sample", "--model", "storybook", "--tokens", -5), "makes 1 to 48 tokens, not -5"),
        (("sample", "-o", "x" * 256), "name too long. Choose another name."),
        ((*FILL, "-o", "x" * 252 + ".png"), "name too long. Choose another name."),
        ((*FILL, "-o", "x" * 250 + ".png", "--variations", 2), "name too long. Choose another name."),
        (("sample", "--model", "storybook", "-o", "out.png"), "end in .txt or .md"),
        (("models",), "required"),
        (("models", "info", "none"), "no model none"),
        (("models", "import", "none"), "no file"),
        (("models", "import", "in.png"), "not a whole .primebundle"),
        (("models", "remove", "none"), "not there"),
        (("models", "export", "storybook", "-o", "."), ". is a folder: choose another name."),
        (("bench", "--repeats", 0), "--repeats"),
        (("paint",), "invalid choice"),
        (("inpaint", "--wrong"), "unrecognized arguments"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run: Run, here: Path, argv: tuple, what: str) -> None:
    before = sorted(here.rglob("*"))
    answer = run(*argv)
    assert_refused(answer, what)
    assert sorted(here.rglob("*")) == before


class TestInfill:
    def test_fills_and_keeps_the_rest(self, run: Run) -> None:
        code, out, _ = run("infill", TEXT, "--seed", 1)
        assert code == 0 and out.startswith("Once upon a ") and " there lived " in out and out.endswith(".\n")

    def test_file_output_and_variations(self, run: Run) -> None:
        Path("in.txt").write_text(TEXT + "\n", encoding="utf-8")
        code, out, _ = run("infill", "--file", "in.txt", "-o", "out.txt", "--variations", 2)
        text = Path("out.txt").read_text("utf-8")
        assert code == 0 and out.startswith("out.txt  (seed ") and out.count("\n") == 1
        assert text.count("Once upon a ") == 2 and "\n---\n" in text

    def test_the_text_it_is_made_from_stays(self, run: Run) -> None:
        Path("in.txt").write_text(TEXT, encoding="utf-8")
        assert_refused(run("infill", "--file", "in.txt", "-o", "../" + Path.cwd().name + "/in.txt"), "made from")
        assert Path("in.txt").read_text("utf-8") == TEXT

    def test_alternatives_before_the_text_need_their_number(self, run: Run) -> None:
        assert_refused(run("infill", "--alternatives", TEXT), "such as --alternatives 5 TEXT")
        assert "gap 1, token 1" in run("infill", "--alternatives", 5, TEXT)[1]

    def test_json(self, run: Run) -> None:
        code, out, _ = run("infill", TEXT, "--json", "--variations", 2)
        assert code == 0 and len(json.loads(out)["texts"]) == 2

    def test_files_by_their_ending(self, run: Run) -> None:
        for name in ("out.txt", "out.md", "out.html", "out.json"):
            code, out, _ = run("infill", TEXT, "--seed", 1, "--drafts", 2, "-o", name)
            assert code == 0 and out.startswith(f"{name}  (seed 1, ")
        text = Path("out.txt").read_text("utf-8")
        story = json.loads(Path("out.json").read_text("utf-8"))
        assert "\n---\n".join(story["texts"]) == text and story["seeds"] == [1, 2]
        assert story["steps_made"][0]["drafts"][0][0] == story["steps_made"][0]["drafts"][1][0]
        last = story["steps_made"][-1]["drafts"][0]
        assert "".join(word["text"] for word in last[0]) in text and len(last[0]) == 4
        assert "<mark>" in Path("out.md").read_text("utf-8")
        assert Path("out.html").read_text("utf-8").startswith("<!doctype html>")

    def test_alternatives(self, run: Run) -> None:
        code, out, _ = run("infill", TEXT, "--json", "--alternatives", 3, "--drafts", 2)
        facts = json.loads(out)
        assert code == 0 and [len(draft) for draft in facts["alternatives"]] == [7, 7]
        for token in facts["alternatives"][0]:
            chances = [one["probability"] for one in token["candidates"]]
            assert len(chances) == 3 and chances == sorted(chances, reverse=True) and sum(chances) <= 1
        out = run("infill", TEXT, "--alternatives")[1]
        assert out.count("gap 1, token") == 4 and out.count(" %") == 35

    def test_surprise(self, run: Run) -> None:
        code, out, _ = run("infill", "There lived a king\r\nwith 😀.", "--surprise", "--json")
        facts = json.loads(out)
        tokens = facts["surprise"][0]
        assert code == 0 and "".join(token["text"] for token in tokens) == facts["texts"][0]
        assert all(token["bits"] > 0 for token in tokens)
        code, out, _ = run("infill", TEXT, "--surprise")
        assert code == 0 and out.startswith("Once upon a ") and "on average" in out

    def test_gaps_that_do_not_see_each_other_are_told(self, run: Run) -> None:
        text = "Once [[2]] " + "a king lived by the ocean " * 30 + "[[2]]."
        code, out, err = run("infill", text, "--json", "-q")
        assert code == 0 and json.loads(out)["windows"] == 2 and "2 windows" in err and err.count("\n") == 1

    def test_standard_input(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("in.txt").write_text(TEXT, encoding="utf-8")
        with open("in.txt") as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert run("infill", "--file", "-")[1].startswith("Once upon a ")
        with open("in.png", errors="replace") as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert_refused(run("infill", "--file", "-"), "not UTF-8")

    def test_color_on_a_terminal(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        colored = run("infill", TEXT, "--seed", 1)[1]
        assert colored.startswith("Once upon a \x1b[1;36m")
        monkeypatch.setenv("NO_COLOR", "1")
        plain = run("infill", TEXT, "--seed", 1)[1]
        assert colored.replace("\x1b[1;36m", "").replace("\x1b[0m", "") == plain


class TestSample:
    def test_folder_sheet_and_texts(self, run: Run) -> None:
        assert run("sample", "-n", 12, "-o", "many")[0] == 0
        assert len(list(Path("many").iterdir())) == 12 and Path("many/sample-01.png").is_file()
        assert run("inpaint", "--again", "many/sample-07.png", "-o", "again.png")[0] == 0
        assert (pixels("again.png") == pixels("many/sample-07.png")).all()
        assert run("sample", "-n", 4, "-o", "sheet.png")[0] == 0 and pixels("sheet.png").shape == (18, 18, 3)
        assert run("sample", "-o", "one.png")[0] == 0 and read_parameters("one.png")
        # More than are made at once: still those of the seeds, and what is told is of all.
        code, out, _ = run("sample", "-n", AT_ONCE + 3, "--seed", 5, "--steps", 2, "-o", "more", "--json")
        facts = json.loads(out)
        assert code == 0 and facts["seeds"] == list(range(5, AT_ONCE + 8)) and len(facts["files"]) == AT_ONCE + 3
        assert len(facts["confidence"]) == AT_ONCE + 3 and facts["calls"] == 4
        assert run("sample", "--seed", AT_ONCE + 7, "--steps", 2, "-o", "last.png")[0] == 0
        assert (pixels("last.png") == pixels(facts["files"][-1])).all()
        code, out, _ = run("sample", "--model", "storybook", "-n", 2, "--tokens", 6)
        assert code == 0 and "\n---\n" in out
        assert run("sample", "--model", "storybook", "-o", "text.txt")[0] == 0 and Path("text.txt").is_file()
        Path("file").touch()
        assert_refused(run("sample", "-o", "file"), "file is a file")

    def test_a_folder_keeps_what_is_in_it(self, run: Run) -> None:
        def sample(*options: object) -> list[str]:
            code, out, _ = run("sample", "-o", "made", "--steps", 2, "--json", *options)
            assert code == 0
            return [Path(file).name for file in json.loads(out)["files"]]

        assert sample("--seed", 1) == ["sample.png"]
        first = Path("made/sample.png").read_bytes()
        assert sample("--seed", 2) == ["sample-1.png"]
        assert sample("-n", 9) == [f"sample-{i:02}.png" for i in range(2, 11)]
        assert sample("-n", 2) == ["sample-11.png", "sample-12.png"]
        assert Path("made/sample.png").read_bytes() == first and len(list(Path("made").iterdir())) == 13
        assert "made/sample-13.png to sample-14.png  (" in run("sample", "-o", "made", "--steps", 2, "-n", 2)[1]

    def test_no_file_of_the_model_is_written_over(self, run: Run, own_home: Path) -> None:
        models = own_home / "studio" / "models"
        before = {path: path.read_bytes() for path in models.rglob("*.*") if path.is_file()}
        manifest, notes = models / "storybook" / "manifest.json", models / "storybook" / "tokenizer.json"
        Path("a.txt").write_text("Once upon a time")
        for argv in (
            ("infill", TEXT, "-o", manifest),
            ("infill", TEXT, "-o", notes, "--model", models / "storybook"),
            ("evaluate", "--data", "in.png", "--map", models / "emoji-32" / "palette.json"),
            ("evaluate", "--data", "a.txt", "--map", manifest),
        ):
            assert_refused(run(*argv), "is what it would be made from")
        export = ("models", "export", "emoji-32", "-o", models / "emoji-32" / "denoiser.onnx")
        assert_refused(run(*export), "in the folder of the model itself")
        assert {path: path.read_bytes() for path in models.rglob("*.*") if path.is_file()} == before

    def test_what_another_run_adds_meanwhile_is_kept(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        folder, make, save = Path("made"), common.make, generation.save_picture

        def make_while_another_does(*args: Any, **options: Any) -> Any:
            folder.mkdir()
            (folder / "sample-2.png").write_bytes(b"of another run")
            return make(*args, **options)

        def save_while_another_does(*args: Any) -> None:
            save(*args)
            (folder / "sample-4.png").write_bytes(b"of another run")

        monkeypatch.setattr(common, "make", make_while_another_does)
        monkeypatch.setattr(generation, "save_picture", save_while_another_does)
        code, out, _ = run("sample", "-n", 3, "-o", "made", "--steps", 1)
        assert code == 0 and out.startswith("made/sample-3.png, made/sample-5.png to sample-6.png  (")
        assert sorted(path.name for path in folder.iterdir()) == [f"sample-{i}.png" for i in range(2, 7)]
        for number in (2, 4):
            assert (folder / f"sample-{number}.png").read_bytes() == b"of another run"

    def test_a_folder_without_a_number_left(self, run: Run) -> None:
        Path("made").mkdir()
        Path("made/sample-999999998.png").touch()
        assert run("sample", "-o", "made", "--steps", 1)[0] == 0
        assert_refused(run("sample", "-o", "made", "--steps", 1), "choose another folder")


class TestModels:
    def test_list_info_verify(self, run: Run, own_home: Path) -> None:
        out = run("models", "list")[1]
        assert "emoji-32" in out and "imported" in out
        assert [m["name"] for m in json.loads(run("models", "list", "--json")[1])["models"]][:2] == [
            "emoji-32",
            "storybook",
        ]
        assert "granularities" in run("models", "info", "emoji-32")[1]
        assert json.loads(run("models", "info", "emoji-32", "--json")[1])["manifest"]["vocab_size"] == 16
        assert run("models", "verify", "emoji-32", "storybook")[0] == 0
        (own_home / "studio" / "models" / "emoji-32" / "palette.json").write_text("{}")
        code, out, _ = run("models", "verify", "emoji-32", "storybook")
        assert code == 1 and "palette.json has 2 bytes" in out and "storybook         whole" in out
        assert "palette.json" in run("models", "list")[1]
        for name, what in (("emoji-32", "palette.json has 2 bytes"), ("nowhere", "There is no model nowhere")):
            answer = run("models", "verify", name)
            assert_refused(answer, what)
            assert answer[2].count("\n") == 1

    def test_export_remove_import(self, run: Run) -> None:
        assert run("models", "export", "emoji-32")[1] == "emoji-32.primebundle\n"
        assert_refused(run("models", "import", "emoji-32.primebundle"), "already there")
        assert run("models", "import", "emoji-32.primebundle", "--replace")[0] == 0
        back = "emoji-32 is removed; the one that came with the program is back\n"
        assert run("models", "remove", "emoji-32")[1] == back


def test_doctor(run: Run, monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    code, out, _ = run("doctor")
    assert code == 0 and "CPU: usable" in out and "storybook: text, whole" in out
    assert json.loads(run("doctor", "--json")[1])["problems"] == []
    monkeypatch.setattr(catalog, "shipped_models", lambda: own_home / "none")
    (own_home / "studio" / "models" / "storybook" / "tokenizer.json").unlink()
    code, out, _ = run("doctor")
    assert code == 1 and "tokenizer.json is missing; import the model again" in out
    assert "no working text model; run `prime-studio models import FILE`" in out


def test_doctor_believes_in_cuda_only_when_a_session_runs_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_problem", lambda: None)
    monkeypatch.setattr(denoiser, "cuda_problem", lambda: None)
    monkeypatch.setattr(denoiser, "missing_library", lambda: "libcudnn.so.9 is missing; install it")
    if "CUDAExecutionProvider" in devices.import_onnxruntime().get_available_providers():
        assert "CUDA: libcudnn.so.9 is missing; install it" in run("doctor")[1]
    monkeypatch.setattr(OnnxDenoiser, "_start", lambda self, path, device, threads: FakeCuda(path))
    assert "CUDA: usable" in run("doctor")[1]


class FakeCuda:
    """A session that says it runs on CUDA."""

    def __init__(self, path: str):
        self.session = devices.import_onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def test_demo_fills_the_samples(run: Run) -> None:
    code, out, _ = run("demo", "-o", "out")
    assert code == 0 and "Then Dorothy fell silent again. The yellow hen was " in out
    for name in demo.PICTURES:
        assert pixels(f"out/{name}.png").shape == pixels(common.samples_folder() / f"{name}.png").shape
        assert shots(f"out/{name}.webp") > 2
    assert str(Path("out").absolute()) in out
    facts = json.loads(run("demo", "-o", "out", "--json")[1])
    assert all(Path(file).is_file() for file in facts["files"])


def test_without_arguments_the_demo_runs(run: Run) -> None:
    assert run()[0] == 0
    assert all(Path(f"out/{name}.webp").is_file() for name in demo.PICTURES)


def test_without_models(run: Run, monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    shutil.rmtree(own_home / "studio")
    monkeypatch.setattr(catalog, "shipped_models", lambda: own_home / "none")
    assert_refused(run(*FILL), "no image model")
    assert run("models", "list")[1] == "No model is installed.\n"


def test_version_and_help(run: Run) -> None:
    assert run("--version")[1] == f"prime-studio {__version__}\n"
    assert "inpaint" in run("--help")[1] and "--mask" in run("inpaint", "--help")[1]
    assert "Turn a published MDM-Prime checkpoint" in run("import", "--help")[1]


class TestTrouble:
    def test_a_terminal_that_knows_ascii_only(self) -> None:
        command = [sys.executable, "-m", "studio", "inpaint", "--help"]
        environment = os.environ | {"PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == 0 and b"on their own" in done.stdout and done.stderr == b""

    @pytest.mark.skipif(os.name != "posix", reason="closes a stream in the shell's way")
    @pytest.mark.parametrize("stream", ["<", ">", "2>"])
    def test_a_stream_that_is_closed(self, stream: str) -> None:
        script = f'echo "a king" | "$0" -m studio infill --file - --surprise {stream}&-'
        done = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        if stream == "<":
            assert_refused((done.returncode, done.stdout, done.stderr), "The text is empty")
        else:
            assert done.returncode == 0 and ("on average" in done.stdout) == (stream == "2>")

    @pytest.mark.parametrize(
        "argv",
        [
            ("infill", TEXT, "-o", "file/out.txt"),
            (*FILL, "-o", "file/out.png"),
            (*FILL, "--timeline", "file/t.gif"),
            ("sample", "-o", "file/out.png"),
            ("sample", "-o", "file/folder"),
            ("sample", "--model", "storybook", "-o", "file/out.txt"),
            ("demo", "-o", "file/folder"),
            ("quality", "--model", "emoji-32", "--data", "in.png", "-o", "file/folder"),
            ("evaluate", "--data", "in.png", "--map", "file/map.png"),
        ],
    )
    def test_where_it_cannot_be_written_is_said_before_the_work(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, argv: tuple
    ) -> None:
        monkeypatch.setattr(OnnxDenoiser, "__call__", lambda *arguments: 1 / 0)
        Path("file").touch()
        assert_refused(run(*argv), "Cannot write")

    @pytest.mark.parametrize("command", ["evaluate", "quality"])
    def test_a_model_that_cannot_take_its_figures_is_said_before_the_work(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        monkeypatch.setattr(OnnxDenoiser, "__call__", lambda *arguments: 1 / 0)
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "emoji-32")
        assert_refused(run(command, "--model", "emoji-32", "--data", "in.png", "--write"), "manifest.json")

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is always UTF-8")
    def test_a_name_that_is_no_utf_8(self, run: Run, here: Path) -> None:
        name = os.fsdecode(b"b\xff.png")
        small = np.asarray(Image.open("in.png"))[:8, :8]
        Image.fromarray(small).save(here / name, format="PNG")
        assert run("evaluate", "--data", name, "--map", os.fsdecode(b"\xff.json"))[0] == 0
        assert run("evaluate", "--data", name, "--write")[0] == 0
        assert run("models", "verify", "emoji-32")[0] == 0  # what was written of the data has not broken it

    def test_training_without_its_packages(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.startswith("studio.training")]:
            monkeypatch.delitem(sys.modules, name)
        for name in ("torch", "accelerate", "onnx"):
            monkeypatch.setitem(sys.modules, name, None)
        recipe = Path(__file__).resolve().parent.parent / "models" / "recipes" / "emoji-32.toml"
        for argv in (("train", recipe), ("export", "run")):
            assert_refused(run(*argv), "Training needs the training extra: type ./run train")

    def test_disk_full(self, run: Run, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
        def full(*args: object, **options: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Image.Image, "save", full)
        before = sorted(here.iterdir())
        assert_refused(run(*FILL, "-o", "out.png"), "No space left on device")
        assert sorted(here.iterdir()) == before

    @pytest.mark.parametrize(
        ("error", "code", "line"),
        [
            (KeyboardInterrupt(), 130, "prime-studio: interrupted"),
            (MemoryError(), 2, "prime-studio: Not enough memory"),
            (PermissionError(13, "Permission denied", "x"), 2, "prime-studio: Permission denied (x)."),
            (StudioError("Two\nlines."), 2, "prime-studio: Two lines."),
        ],
    )
    def test_in_the_middle(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, here: Path, error: BaseException, code: int, line: str
    ) -> None:
        calls = []

        def failing(self: OnnxDenoiser, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
            calls.append(len(rows))
            if len(calls) == 3:
                raise error
            return np.zeros((len(rows), 16), dtype=np.float32)

        monkeypatch.setattr(OnnxDenoiser, "__call__", failing)
        before = sorted(here.iterdir())
        got, out, err = run(*FILL, "-o", "out.png", "--timeline", "t.gif")
        assert (got, out) == (code, "") and err.splitlines()[-1].startswith(line)
        assert len(calls) == 3 and sorted(here.iterdir()) == before

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
    @pytest.mark.parametrize("argv, code", [((*FILL, "-o", "out.png", "--device", "cpu"), 0), (("inpaint",), 2)])
    def test_standard_error_that_cannot_be_written(self, here: Path, argv: tuple[str, ...], code: int) -> None:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([sys.executable, "-m", "studio", *argv], stdout=subprocess.PIPE, stderr=full)
        assert done.returncode == code
        assert code or (Path("out.png").is_file() and done.stdout.startswith(b"out.png  (seed "))

    @pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
    def test_a_command_that_is_terminated_clears_away_what_is_half_done(
        self, run: Run, own_home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert run("models", "export", "emoji-32")[0] == 0
        before = signal.getsignal(signal.SIGTERM)
        monkeypatch.setattr(catalog, "take_place", lambda *paths: os.kill(os.getpid(), signal.SIGTERM))
        assert run("models", "import", "emoji-32.primebundle", "--replace") == (143, "", "")
        assert {path.name for path in (own_home / "studio" / "models").iterdir()} == {"emoji-32", "storybook"}
        assert signal.getsignal(signal.SIGTERM) == before

    def test_a_bug_keeps_its_traceback(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(OnnxDenoiser, "__call__", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(*FILL)

    @pytest.mark.skipif(os.name != "posix", reason="no SIGPIPE")
    def test_a_reader_that_leaves(self) -> None:
        command = [sys.executable, "-m", "studio", "models", "info", "emoji-32"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout and process.stderr
        process.stdout.close()
        errors = process.stderr.read()
        process.stderr.close()
        assert process.wait() == 141 and errors == b""
