"""Requests, their frames and results."""

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.generation import (
    GenerationRequest,
    Options,
    PackedArray,
    PictureSource,
    Result,
    TextSource,
    alternatives,
    branch_request,
    check,
    finish,
    free_request,
    generate,
    keeping,
    parts_of,
    picture_request,
    pictures_of,
    plan_of,
    read_text_request,
    story_of,
    text_pieces,
    text_request,
    text_tokenizer,
    texts_of,
)
from studio.media.frames import WorkingFrame
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from tests.helpers import CONTEXT, GRID, picture_bundle, text_bundle

TEXT = "Once upon a [[4]] there lived [[3]]."


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(picture_bundle(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(text_bundle(tmp_path_factory.mktemp("models")))


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, size=(20, 24, 3), dtype=np.uint8)


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((20, 24), dtype=bool)
    mask[7:11, 9:14] = True
    return mask


def run(request: GenerationRequest, bundle: Bundle, picture: np.ndarray | None = None) -> Result:
    frames = list(generate(request, bundle, OnnxDenoiser(bundle, "cpu")))
    assert [frame.step for frame in frames] == list(range(1, request.steps + 1))
    return finish(request, bundle, frames[-1], picture=picture, provider="CPU")


def never(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    raise AssertionError("the network must not be called")


class TestPackedArray:
    @for_all(st.lists(st.integers(0, 2**32 - 1), max_size=30))
    def test_comes_back(self, values: list[int]) -> None:
        array = np.array(values, dtype=np.int64).reshape(1, -1)
        packed = PackedArray.pack(array)
        assert packed == PackedArray.pack(array)
        assert (packed.unpack() == array).all()

    @pytest.mark.parametrize(
        "change",
        [
            {"shape": (3, 3)},
            {"shape": (-1, 4)},
            {"shape": (1 << 40,)},
            {"data": "????"},
            {"data": "AAAA"},
            {"data": ""},
        ],
    )
    def test_damage_is_refused(self, change: dict) -> None:
        packed = PackedArray.pack(np.zeros((2, 2), dtype=np.int64))
        with pytest.raises(ValueError):
            PackedArray.model_validate(packed.model_dump() | change)

    def test_a_bomb_is_not_unpacked(self) -> None:
        bomb = PackedArray.pack(np.zeros((4096, 4096), dtype=np.int64))
        with pytest.raises(ValueError, match="does not fill"):
            PackedArray(shape=(2, 2), data=bomb.data)


class TestRequest:
    def test_round_trip_equality_and_hash(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        request = picture_request(images, picture, mask, seeds=[0, 2**64 - 1], planes=[0, 3])
        again = GenerationRequest.from_json(request.model_dump_json())
        assert again == request and hash(again) == hash(request)
        assert again.model_dump_json() == request.model_dump_json()
        assert again.seeds == (0, 2**64 - 1)
        assert request != picture_request(images, picture, mask, seeds=[1])

    def test_planes_for_each_pixel(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        frame, subtokens = WorkingFrame(8, 6, 8), images.subtokens
        everywhere = np.full(mask.shape, 0b1001, dtype=np.uint16)
        mixed = picture_request(images, picture, mask, frame=frame, planes=everywhere)
        assert mixed.given == picture_request(images, picture, mask, frame=frame, planes=[0, 3]).given
        bits = everywhere.copy()
        bits[:, :11] = 0b0110
        request = picture_request(images, picture, mask, frame=frame, planes=bits)
        masked = (request.given.unpack() == subtokens.mask_id).reshape(GRID, GRID, 4)
        assert masked[1, 1].tolist() == [False, True, True, False]
        assert masked[1, 4].tolist() == [True, False, False, True]
        assert masked.any(axis=2).sum() == mask.sum()
        assert isinstance(request.source, PictureSource) and request.source.plane_bits is not None
        assert np.array_equal(request.source.plane_bits.unpack(), np.where(mask, bits, 0)[6:14, 8:16])
        assert GenerationRequest.from_json(request.model_dump_json()) == request

    def test_defaults_come_from_the_manifest(self, images: Bundle, texts: Bundle, picture, mask) -> None:
        request = picture_request(images, picture, mask, temperature=None, steps=3)
        assert (request.steps, request.policy, request.temperature) == (3, "confidence", 0.9)
        assert free_request(texts, [1]).policy == "confidence"

    def test_a_picture_from_nothing_is_not_filled_by_confidence(self, images: Bundle, picture, mask) -> None:
        """The background is surest, and would beget more of itself until all is white."""
        request = free_request(images, [1], steps=3)
        assert (request.steps, request.policy, request.remask) == (3, "even", 0.3)
        assert free_request(images, [1], policy="confidence").policy == "confidence"
        assert picture_request(images, picture, np.ones_like(mask)).policy == "even"
        assert picture_request(images, picture, np.ones_like(mask), planes=[0, 1]).policy == "confidence"

    def test_the_exact_process_makes_from_nothing_as_it_fills(self, images: Bundle) -> None:
        exact = images.manifest.defaults.model_copy(update={"policy": "ancestral"})
        bundle = Bundle(images.path, images.manifest.model_copy(update={"defaults": exact}), images.digest)
        request = free_request(bundle, [1])
        assert (request.policy, request.steps, request.remask) == ("ancestral", exact.steps, exact.remask)

    def test_the_way_to_mask_again_that_was_chosen_counts(self, images: Bundle) -> None:
        request = free_request(images, [1], corrector=(2.0, 1.0, 1.0))
        assert (request.remask, request.corrector) == (0, (2, 1, 1))
        assert free_request(images, [1], corrector=(0.0, 0.0, 0.0)).remask == 0.3

    def test_requests_of_the_first_version_mean_what_they_meant(self, images: Bundle) -> None:
        request = free_request(images, [1], policy="even", remask=0.0, temperature_slope=(0.0, 1.0))
        stored = request.model_dump(mode="json")
        for name in ("draw", "temperature_slope", "warp", "corrector"):
            del stored[name]
        assert GenerationRequest.from_json(json.dumps(stored)) == request

    def test_every_option_reaches_the_sampler(self, images: Bundle) -> None:
        changes: dict[str, Any] = {
            "steps": 5, "schedule": "poly3", "policy": "even", "granularity": 4, "temperature": 0.3, "top_p": 0.3,
            "top_k": 1, "remask": 1.0, "draw": "marginal", "temperature_slope": (3.0, 0.5), "warp": (1.0, 4.0, 0.0),
            "corrector": (12.0, 0.0, 0.0),
        }  # fmt: skip
        assert set(changes) == set(Options.__annotations__)
        base: dict[str, Any] = {"granularity": 4, "policy": "ancestral", "temperature": 1.0, "steps": 8}
        for name, value in changes.items():
            before: dict[str, Any] = base | ({"granularity": 1} if name == "granularity" else {})
            plain, changed = (
                run(free_request(images, [1], **options), images).y for options in (before, before | {name: value})
            )
            assert (plain != changed).any(), name

    def test_it_is_frozen_and_knows_its_fields(self, images: Bundle) -> None:
        request = free_request(images, [1])
        with pytest.raises(ValueError):
            request.steps = 3  # pyright: ignore[reportAttributeAccessIssue]
        for change in ({"version": 2}, {"colour": 1}, {"temperature": float("nan")}):
            with pytest.raises(StudioError, match="cannot be read"):
                GenerationRequest.from_json(json.dumps(request.model_dump(mode="json") | change))

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({"steps": 0}, "steps"),
            ({"steps": -3}, "steps"),
            ({"granularity": 2}, "not trained for granularity 2: use one of 1, 4"),
            ({"policy": "best"}, "policy"),
            ({"schedule": "poly-1"}, "schedule"),
            ({"temperature": -0.1}, "temperature"),
            ({"temperature": float("nan")}, "temperature"),
            ({"top_p": 0.0}, "top_p"),
            ({"top_k": -1}, "top_k"),
            ({"remask": 1.5}, "remask"),
            ({"draw": "alone"}, "draw"),
            ({"temperature_slope": (float("nan"), 1.0)}, "temperature_slope"),
            ({"temperature_slope": (-0.2, 0.0)}, "temperature_slope"),
            ({"warp": (1.0, 0.0, 0.0)}, "warp"),
            ({"corrector": (-1.0, 0.0, 0.0)}, "corrector"),
            ({"corrector": (1.0, 2.0, 2.0), "remask": 0.1}, "remask and corrector both mask again"),
            ({"seeds": [-1]}, "seeds"),
            ({"seeds": [2**64]}, "seeds"),
            ({"seeds": []}, "seeds"),
        ],
    )
    def test_impossible_options(self, images: Bundle, options: dict, what: str) -> None:
        options = {"seeds": [0]} | options
        with pytest.raises(StudioError, match=what) as error:
            free_request(images, options.pop("seeds"), **options)
        assert "\n" not in str(error.value)

    def test_another_model_of_the_same_name(self, images: Bundle) -> None:
        request = free_request(images, [0]).model_copy(update={"digest": "0" * 64})
        with pytest.raises(StudioError, match="another version of the model emoji-32"):
            generate(request, images, OnnxDenoiser(images, "cpu"))

    def test_the_wrong_kind_of_model(self, images: Bundle, texts: Bundle, picture, mask) -> None:
        with pytest.raises(StudioError, match="model for pictures"):
            text_request(images, TEXT)
        with pytest.raises(StudioError, match="model for texts"):
            picture_request(texts, picture, mask)

    def test_arrays_that_do_not_fit(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        bits = np.full(mask.shape, 1, dtype=np.uint16)
        for changes, what in (
            ({"picture": picture[..., :1]}, r"\(20, 24, 1\)"),
            ({"picture": picture[..., 0]}, r"\(20, 24\)"),
            ({"picture": np.dstack([picture, picture[..., :1]])}, r"\(20, 24, 4\)"),
            ({"picture": picture / 255}, "float64"),
            ({"mask": mask.T}, r"bool of the shape \(20, 24\), not bool of the shape \(24, 20\)"),
            ({"mask": np.pad(mask, 1)}, r"\(22, 26\)"),
            ({"mask": mask.astype(np.uint8)}, "uint8"),
            ({"planes": [9]}, r"places 0 … 3, not \[9\]"),
            ({"planes": [-1]}, "places 0 … 3"),
            ({"planes": bits.T}, r"integers of the shape \(20, 24\)"),
            ({"planes": bits / 2}, "float64"),
            ({"frame": WorkingFrame(100, 0, GRID)}, "beside the picture"),
            ({"frame": WorkingFrame(0, 0, -1)}, "beside the picture"),
            ({"frame": WorkingFrame(-10_000, 0, 20_000)}, "cannot work on a frame of 20000 pixels"),
            ({"planes": bits.astype(np.int64) << 16}, "bits for the places 0 … 15"),
            ({"planes": -bits.astype(np.int64)}, "bits for the places 0 … 15"),
        ):
            arguments: dict[str, Any] = {"picture": picture, "mask": mask, **changes}
            with pytest.raises(StudioError, match=what):
                picture_request(images, **arguments)

    def test_a_start_state_is_checked_without_a_table_of_all_classes(
        self, texts: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a long text that would take gigabytes."""
        request = free_request(texts, [0])
        monkeypatch.setattr(type(texts.subtokens), "compatible", never)
        assert free_request(texts, [0]) == request

    def test_a_forged_start_state(self, images: Bundle, texts: Bundle) -> None:
        request = free_request(images, [0])
        for given, what in (
            (np.full((64, 4), 3), "does not know"),
            (np.zeros((64, 4)), "Nothing to fill"),
            (np.full((63, 4), 2), "takes 64 tokens"),
            (np.full((64, 5), 2), "takes 64 tokens"),
        ):
            with pytest.raises(StudioError, match=what):
                generate(request.model_copy(update={"given": PackedArray.pack(given)}), images, never)
        nameless = np.full((2, 3), 7)
        nameless[0] = 6  # 666 in base 7 is class 342 of 300
        forged = free_request(texts, [0]).model_copy(update={"given": PackedArray.pack(nameless)})
        with pytest.raises(StudioError, match="does not know"):
            generate(forged, texts, never)


class TestPictures:
    def test_outside_the_mask_nothing_changes(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        result = run(
            picture_request(images, picture, mask, frame=WorkingFrame(8, 5, GRID), seeds=[5, 6]), images, picture
        )
        assert result.pictures is not None and result.pictures.shape == (2, 20, 24, 3)
        assert (result.pictures[:, ~mask] == picture[~mask]).all()
        assert (result.pictures[0] != result.pictures[1]).any()
        assert np.isnan(result.confidence[0]).sum() == GRID * GRID - mask.sum()

    @pytest.mark.parametrize("frame", [None, WorkingFrame(0, 0, 20), WorkingFrame(-3, 2, 24)])
    @pytest.mark.parametrize("planes", [None, [2, 3]])
    def test_the_result_and_its_request_make_the_same_again(
        self, images: Bundle, picture: np.ndarray, mask: np.ndarray, frame: WorkingFrame | None, planes
    ) -> None:
        request = picture_request(images, picture, mask, frame=frame, planes=planes, seeds=[3], remask=0.2)
        first = run(request, images, picture).pictures
        assert first is not None
        again = run(GenerationRequest.from_json(request.model_dump_json()), images, first[0]).pictures
        assert again is not None and (again == first).all()

    def test_planes_keep_the_others(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        request = picture_request(images, picture, mask, planes=[2, 3])
        given, result = request.given.unpack(), run(request, images, picture)
        assert (given[:, :2] != 2).all()
        assert (result.y[0][given != 2] == given[given != 2]).all()

    def test_partial_states_are_drawn(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        request = picture_request(images, picture, mask)
        drawn = pictures_of(request, images, request.given.unpack()[None], picture)[0]
        assert (drawn[~mask] == picture[~mask]).all()
        assert np.abs(drawn[mask].astype(int) - 128).max() <= 4  # the middle of all greys, enlarged

    @pytest.mark.parametrize("frame", [None, WorkingFrame(0, 0, 20), WorkingFrame(-3, 2, 24), WorkingFrame(8, 6, 16)])
    def test_a_part_is_what_the_whole_has_there(
        self, images: Bundle, picture: np.ndarray, mask: np.ndarray, frame: WorkingFrame | None
    ) -> None:
        request = picture_request(images, picture, mask, frame=frame, seeds=[1, 2])
        y = run(request, images, picture).y
        assert isinstance(request.source, PictureSource)
        x, top, size = request.source.frame
        here = np.s_[:, max(top, 0) : top + size, max(x, 0) : x + size]
        whole = pictures_of(request, images, y, picture)
        assert (parts_of(request, images, y, picture) == whole[here]).all()
        assert (whole[:, ~mask] == picture[~mask]).all()

    def test_a_branch_goes_on_from_an_edited_state(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        request = picture_request(images, picture, mask, seeds=[1, 2])
        middle = list(generate(request, images, OnnxDenoiser(images, "cpu")))[2].y[1]
        known = np.flatnonzero((middle != 2).all(axis=-1) & (request.given.unpack() == 2).any(axis=-1))
        middle[known[0]] = 2  # one that had appeared is erased
        branch = branch_request(request, images, middle, seeds=[7], granularity=4, steps=3)
        assert (branch.steps, branch.granularity, branch.policy) == (3, 4, request.policy)
        result = run(branch, images, picture)
        assert (result.y[0][middle != 2] == middle[middle != 2]).all()
        assert result.pictures is not None and (result.pictures[0][~mask] == picture[~mask]).all()

    def test_a_branch_may_have_a_larger_hole(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        request = picture_request(images, picture, mask, frame=WorkingFrame(4, 2, 16))
        larger = mask.copy()
        larger[2, 4] = True
        state = picture_request(images, picture, larger, frame=WorkingFrame(4, 2, 16)).given.unpack()
        branch = branch_request(request, images, state, mask=larger)
        made = run(branch, images, picture).pictures
        assert made is not None and (made[0][~larger] == picture[~larger]).all()
        assert isinstance(branch.source, PictureSource) and (branch.source.full_mask() == larger).all()

    def test_another_picture_is_refused(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        request = picture_request(images, picture, mask)
        with pytest.raises(StudioError, match="24×20"):
            run(request, images, picture[:10])

    def test_a_forged_frame(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        request = picture_request(images, picture, mask)
        assert isinstance(request.source, PictureSource)
        huge = request.source.model_copy(update={"frame": (0, 0, 1 << 30)})
        with pytest.raises(StudioError, match="frame"):
            run(request.model_copy(update={"source": huge}), images, picture)
        moved = request.source.model_copy(update={"frame": (17, 0, GRID)})
        with pytest.raises(StudioError, match="damaged"):
            run(request.model_copy(update={"source": moved}), images, picture)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"frame": [0, 0, 0], "mask": np.ones((0, 0))}, "frame does not fit a picture of 24×20"),
            ({"frame": [0, 0, -8], "mask": np.ones((0, 0))}, "frame does not fit"),
            ({"frame": [24, 0, 8], "mask": np.ones((8, 0))}, "frame does not fit"),
            ({"frame": [-10_000, -10_000, 25_000], "mask": np.ones((20, 24))}, "frame does not fit"),
            ({"frame": [9, 9, 1 << 80]}, "frame does not fit"),
            ({"mask": np.ones((3, 3))}, "mask does not fit its frame"),
            ({"plane_bits": np.ones((3, 3))}, "digits for each pixel do not fit its frame"),
            ({"plane_bits": np.full((8, 8), 70_000)}, "have places from 16 on"),
            ({"planes": [16]}, r"planes\.0 must be less than 16, not 16"),
            ({"planes": [-1]}, r"planes\.0 must be at least 0, not -1"),
            ({"planes": [10**6]}, "planes"),
            ({"given": np.full(64, 2)}, r"no model begins with an array of the shape \(64,\)"),
            ({"given": np.full((64, 65), 2)}, "no model begins with"),
            ({"given": np.full((65_537, 4), 2)}, "no model begins with"),
        ],
    )
    def test_a_strangers_request_that_cannot_be_is_refused_as_it_is_read(
        self, images: Bundle, picture: np.ndarray, mask: np.ndarray, changes: dict[str, Any], says: str
    ) -> None:
        stored = json.loads(picture_request(images, picture, mask, frame=WorkingFrame(8, 6, 8)).model_dump_json())
        for name, value in changes.items():
            place = stored if name == "given" else stored["source"]
            array = isinstance(value, np.ndarray)
            place[name] = PackedArray.pack(value).model_dump(mode="json") if array else value
        with pytest.raises(StudioError, match=f"^The stored request cannot be read: .*{says}") as error:
            GenerationRequest.from_json(json.dumps(stored))
        assert "\n" not in str(error.value)

    def test_a_mask_of_another_size_never_stands_in_memory(
        self, images: Bundle, picture: np.ndarray, mask: np.ndarray
    ) -> None:
        stored = json.loads(picture_request(images, picture, mask).model_dump_json())
        bomb = PackedArray.pack(np.zeros((4096, 4096), dtype=np.uint8)).model_dump(mode="json")
        text = json.dumps(stored | {"source": stored["source"] | {"mask": bomb}})
        tracemalloc.start()
        try:
            with pytest.raises(StudioError, match="mask does not fit"):
                GenerationRequest.from_json(text)
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()

    def test_digits_that_the_model_does_not_have(self, images: Bundle, picture: np.ndarray, mask: np.ndarray) -> None:
        request = picture_request(images, picture, mask, frame=WorkingFrame(8, 6, 8))
        assert isinstance(request.source, PictureSource)
        for change in ({"planes": (0, 4)}, {"plane_bits": PackedArray.pack(np.full((8, 8), 0b10000))}):
            source = request.source.model_copy(update=change)
            with pytest.raises(StudioError, match="no such digits to fill: its own are the places 0 … 3"):
                generate(request.model_copy(update={"source": source}), images, never)
        source = request.source.model_copy(update={"plane_bits": PackedArray.pack(np.full((8, 8), 0xFFFF))})
        check(request.model_copy(update={"source": source}), images)  # all that any model has

    @pytest.mark.parametrize("change", [{"variation": math.inf}, {"text": None, "texts": 5}, {"text": 5}])
    def test_a_text_of_another_program(self, texts: Bundle, tmp_path: Path, change: dict[str, Any]) -> None:
        request = text_request(texts, "Once [[2]] upon a time")
        stored = {"request": request.model_dump(mode="json"), "variation": 0, "text": "Once more upon a time"}
        (tmp_path / "a.json").write_text(json.dumps(stored))
        assert read_text_request(tmp_path / "a.json") == (request, 0, "Once more upon a time")
        (tmp_path / "a.json").write_text(json.dumps(stored | change))
        with pytest.raises(StudioError, match=r"damaged|holds no text"):
            read_text_request(tmp_path / "a.json")

    def test_a_text_with_every_step_of_long_drafts(
        self, texts: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = text_request(texts, "Once [[2]] upon a time")
        steps = "." * 17_000_000
        stored = {"request": request.model_dump(mode="json"), "text": "Once more upon a time", "steps": steps}
        (tmp_path / "a.json").write_text(json.dumps(stored))
        assert read_text_request(tmp_path / "a.json")[0] == request
        monkeypatch.setattr(keeping, "_MAX_JSON", 16_000_000)
        with pytest.raises(StudioError, match=r"a\.json has more than 16 million characters"):
            read_text_request(tmp_path / "a.json")

    def test_another_start_or_other_windows_of_a_text(self, texts: Bundle) -> None:
        """What the window shows of a request that was checked needs no check of its own."""
        stored = json.loads(text_request(texts, TEXT).model_dump_json())
        (length,), packed = stored["source"]["windows"], stored["given"]["shape"]
        assert packed == [length, 3]
        for change, says in (
            ({"given": PackedArray.pack(np.full((4, 4), 2))}, "takes 48 tokens of 3 digits, not 4 by 4"),
            ({"given": PackedArray.pack(np.full((length, 3), 9))}, "names tokens"),
            ({"source": stored["source"] | {"windows": [5, length - 5]}}, "no longer laid out so"),
            ({"source": stored["source"] | {"windows": [-1]}}, "takes 48 tokens"),
            ({"source": stored["source"] | {"text": "[[3]] " * 500}}, "no longer laid out so"),
            ({"source": stored["source"] | {"text": "no gap"}}, "has no gap"),
        ):
            request = GenerationRequest.model_validate(stored | change)
            with pytest.raises(StudioError, match=says):
                check(request, texts)

    def test_no_windows(self, texts: Bundle) -> None:
        stored = json.loads(text_request(texts, "Once [[2]] upon a time").model_dump_json())
        stored["source"]["windows"] = []
        with pytest.raises(StudioError, match="windows"):
            GenerationRequest.from_json(json.dumps(stored))

    def test_a_network_that_fails(self, images: Bundle) -> None:
        def denoise(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return np.full((len(rows), 16), np.nan, dtype=np.float32)

        with pytest.raises(StudioError, match="emoji-32 does not work"):
            list(generate(free_request(images, [1]), images, denoise))

    def test_free(self, images: Bundle) -> None:
        result = run(free_request(images, [1, 2, 3]), images)
        assert result.pictures is not None and result.pictures.shape == (3, GRID, GRID, 3)
        assert result.texts is None and not np.isnan(result.confidence).any()


class TestTexts:
    def test_given_text_is_byte_identical(self, texts: Bundle) -> None:
        result = run(text_request(texts, TEXT, seeds=[1, 2]), texts)
        assert result.texts is not None and result.pictures is None
        for text in result.texts:
            assert text.startswith("Once upon a ") and " there lived " in text and text.endswith(".")

    def test_a_long_text_has_windows(self, texts: Bundle) -> None:
        text = "\n".join(f"The {i} wind blew hard on the water of the [[5]] and the king." for i in range(9))
        request = text_request(texts, text, seeds=[1, 2], steps=8, policy="ancestral")
        assert isinstance(request.source, TextSource) and len(request.source.windows) > 1
        shapes = []
        denoise = OnnxDenoiser(texts, "cpu")

        def watched(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
            shapes.append(y.shape)
            return denoise(y, rows)

        frames = list(generate(request, texts, watched))
        assert frames[-1].calls == len(shapes)
        assert all(shape[1] <= CONTEXT for shape in shapes)
        result = finish(request, texts, frames[-1])
        assert result.texts is not None
        assert all(a.count("wind blew hard on the water of the ") == 9 for a in result.texts)
        alone = run(text_request(texts, text, seeds=[2], steps=8, policy="ancestral"), texts)
        assert alone.texts == result.texts[1:]

    def test_a_gap_after_a_space_begins_a_word(self, texts: Bundle) -> None:
        tokenizer = text_tokenizer(texts)
        request = text_request(texts, "Once upon [[2]] a time", seeds=range(40))
        result = run(request, texts)
        first = int(np.flatnonzero((request.given.unpack() == 7).all(axis=-1))[0])
        tokens = texts.subtokens.decode(result.y[:, first])
        assert tokenizer.starts_word[tokens].all()

    def test_a_pinned_digit_counts_more_than_the_constraint(self, texts: Bundle) -> None:
        request = text_request(texts, "Once upon [[1]] a time")
        given = request.given.unpack()
        place = int(np.flatnonzero((given == 7).any(axis=-1))[0])
        starts = text_tokenizer(texts).starts_word
        heads = texts.subtokens.digits[:, :2]
        free = [c for c in range(300) if not (starts & (heads == heads[c]).all(axis=1)).any()]
        pinned = free[0]
        given[place, :2] = texts.subtokens.digits[pinned, :2]
        result = run(request.model_copy(update={"given": PackedArray.pack(given)}), texts)
        assert (result.y[0, place, :2] == given[place, :2]).all()

    def test_pieces_join_to_the_text(self, texts: Bundle) -> None:
        request = text_request(texts, "[[2]][[3]] upon a [[4]]time", seeds=range(20))
        result = run(request, texts)
        assert result.texts is not None
        for y, text in zip(result.y, result.texts, strict=True):
            pieces = text_pieces(request, texts, y)
            assert "".join(piece for piece, _ in pieces) == text
            assert [made for _, made in pieces] == [True, True, False, True, False]

    def test_parts_may_have_marks_of_their_own(self, texts: Bundle) -> None:
        parts = ("write [[3]], then ", 4, ".")
        request = text_request(texts, parts, seeds=[1])
        assert isinstance(request.source, TextSource) and request.source.parts == parts
        assert GenerationRequest.from_json(request.model_dump_json()) == request
        (text,) = run(request, texts).texts or []
        assert text.startswith("write [[3]], then ") and text.endswith(".")
        assert [made for _, made in text_pieces(request, texts, run(request, texts).y[0])] == [False, True, False]

    def test_parts_without_marks_are_the_same_request(self, texts: Bundle) -> None:
        request = text_request(texts, ["Once upon a ", 4, " there lived ", 3, "."], seeds=[1])
        assert request == text_request(texts, TEXT, seeds=[1])
        old = request.model_dump(mode="json")
        del old["source"]["parts"]  # as requests were stored before there were parts
        assert GenerationRequest.from_json(json.dumps(old)) == request

    def test_kept_tokens_are_given(self, texts: Bundle) -> None:
        request = text_request(texts, TEXT, kept=[{1: 42}, {0: 7, 2: 9}], seeds=[1, 2])
        result = run(request, texts)
        (first, second) = plan_of(request, texts).positions
        tokens = texts.subtokens.decode(result.y)
        assert (tokens[:, first.start + 1] == 42).all() and (tokens[:, second][:, [0, 2]] == [7, 9]).all()
        assert np.isnan(result.confidence[:, first.start + 1]).all()
        with pytest.raises(StudioError, match="Nothing to fill"):
            text_request(texts, "a [[1]]", kept=[{0: 3}])

    def test_alternatives_are_the_networks_own_probabilities(self, texts: Bundle) -> None:
        request = text_request(texts, TEXT, seeds=[1])
        denoise = OnnxDenoiser(texts, "cpu")
        y = run(request, texts).y[0]
        found = alternatives(request, texts, denoise, y, gap=1, index=1, count=300)
        position = plan_of(request, texts).positions[1].start + 1
        asked = y.copy()
        asked[position] = texts.subtokens.mask_id
        logits = denoise(asked[None], np.array([position]))[0].astype(np.float64)
        chances = np.exp(logits) / np.exp(logits).sum()
        assert [one.token for one in found] == np.argsort(-chances, kind="stable").tolist()
        assert np.allclose([one.probability for one in found], np.sort(chances)[::-1])
        first = alternatives(request, texts, denoise, y, gap=0, index=0)
        # The space before the gap is the writer's, the word's own is not shown again.
        assert len(first) == 10 and not any(one.text.startswith(" ") for one in first)
        assert all(text_tokenizer(texts).pieces[one.token].startswith(b" ") for one in first)

    def test_a_story_ends_with_the_result(self, texts: Bundle) -> None:
        request = text_request(texts, TEXT, seeds=[1, 2], granularity=3)
        frames = list(generate(request, texts, OnnxDenoiser(texts, "cpu")))
        story = story_of(request, texts, frames)
        assert story.texts() == finish(request, texts, frames[-1]).texts
        assert [step.step for step in story.steps] == list(range(7)) and story.steps[-1].calls == frames[-1].calls
        seen = [word for step in story.steps for draft in step.drafts for gap in draft for word in gap]
        partly = [word for word in seen if 0 < word.known < 3 and not word.settled]
        assert partly and all(word.text for word in partly), "a partly known word has a likeliest reading"

    def test_partial_states_are_shown(self, texts: Bundle) -> None:
        request = text_request(texts, TEXT)
        assert texts_of(request, texts, request.given.unpack()[None])[0].count("░") == 7

    @pytest.mark.parametrize("gap", [0, CONTEXT, 10**12])
    def test_gaps_that_cannot_be(self, texts: Bundle, gap: int) -> None:
        with pytest.raises(StudioError, match="gap"):
            text_request(texts, f"Once [[{gap}]]")

    @pytest.mark.parametrize("tokens", [-5, 0, CONTEXT + 1, 20_000_000, 10**20])
    def test_a_length_that_the_model_does_not_make(self, texts: Bundle, tokens: int) -> None:
        with pytest.raises(StudioError, match=rf"^storybook makes 1 to 48 tokens, not {tokens:,}\.$"):
            free_request(texts, [0], num_tokens=tokens)

    def test_free(self, texts: Bundle) -> None:
        result = run(free_request(texts, [1, 2], num_tokens=5), texts)
        assert result.texts is not None and len(result.texts) == 2
        for num_tokens in (0, -1, CONTEXT + 1):
            with pytest.raises(StudioError):
                free_request(texts, [1], num_tokens=num_tokens)


def test_every_shipped_sample_is_whole() -> None:
    from studio.commands.common import samples_folder
    from studio.media.images import load_mask, load_picture
    from studio.media.textplan import parse_gaps
    from studio.media.texts import load_text

    masks = sorted(samples_folder().glob("*-mask.png"))
    assert len(masks) >= 4
    for path in masks:
        picture = load_picture(path.with_name(path.name.replace("-mask", "")))
        load_mask(path, picture.size)
    for path in samples_folder().glob("*.txt"):
        parse_gaps(load_text(path))
