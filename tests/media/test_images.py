import os
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from studio.errors import StudioError
from studio.media import images
from studio.media.export import read_parameters
from studio.media.images import (
    PaletteTokenizer,
    Picture,
    RgbTokenizer,
    alpha_mask,
    image_tokenizer,
    load_mask,
    load_palette,
    load_picture,
    put,
    save_palette,
)
from studio.prime.subtokens import Subtokens

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("source", [RGB[::-1], RGB[2, 3], 0, 200])
def test_pixels_are_put_where_the_mask_says(source):
    target, mask = RGB.copy(), RNG.random(RGB.shape[:2]) < 0.5
    put(target, source, mask)
    assert (target == np.where(mask[..., None], source, RGB)).all()


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_exact_formats_come_back_exactly(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RGB).save(path, lossless=True)
    picture = load_picture(path)
    assert picture.alpha is None and picture.size == (7, 5)
    assert np.array_equal(picture.rgb, RGB)


def deep_png(pixels, transparent=()):
    """A PNG of 16 bits a channel, (H, W, 1) or (H, W, 3), with one transparent colour if given."""
    height, width, channels = pixels.shape
    kind = {1: 0, 3: 2}[channels]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        *([(b"tRNS", np.array(transparent, dtype=">u2").tobytes())] if len(transparent) else []),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def test_other_kinds_of_pictures(tmp_path):
    red = Image.new("RGB", (4, 3), (255, 0, 0))
    frames = [red.quantize(4), Image.new("RGB", (4, 3), (0, 0, 255)).quantize(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    red.save(tmp_path / "a.jpg", quality=95)
    red.convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    red.quantize(4).save(tmp_path / "p.png")
    for name in ("a.gif", "a.jpg", "c.jpg", "p.png"):
        picture = load_picture(tmp_path / name)
        assert picture.rgb.shape == (3, 4, 3)
        assert np.abs(picture.rgb.astype(int) - [255, 0, 0]).max() <= 2, name
    Image.new("1", (4, 3), 1).save(tmp_path / "b.png")
    Image.new("L", (4, 3), 77).save(tmp_path / "l.png")
    Image.fromarray(np.full((3, 4), 77 * 257, dtype=np.uint16)).save(tmp_path / "i.png")
    assert (load_picture(tmp_path / "b.png").rgb == 255).all()
    assert (load_picture(tmp_path / "l.png").rgb == 77).all()
    assert (load_picture(tmp_path / "i.png").rgb == 77).all()


def test_what_of_a_file_is_not_kept_is_said(tmp_path):
    def said(name: str) -> str:
        return load_picture(tmp_path / name).lost

    deep = np.full((3, 4), 77 * 257, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "i.png")
    (tmp_path / "rgb.png").write_bytes(deep_png(deep[..., None].repeat(3, axis=2)))
    for name in ("i.png", "rgb.png"):
        assert said(name) == f"Of {name} 8 of 16 bits a channel are kept."
        assert (load_picture(tmp_path / name).rgb == 77).all()
    for width in (5, 38, 54):  # how long a row of the file is has a 16 in it
        Image.new("RGB", (width, 3)).save(tmp_path / "b.bmp")
        assert said("b.bmp") == ""
    frames = [Image.new("RGB", (4, 3), color) for color in ("red", "blue")]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100)
        assert said(name) == f"Of {name} the first frame alone is taken."
        frames[0].save(tmp_path / name)
        assert said(name) == ""
    Image.new("CMYK", (4, 3)).save(tmp_path / "c.jpg")
    assert "inks" in said("c.jpg")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for name, profile in (("srgb.png", srgb), ("lab.png", lab), ("none.png", None)):
        Image.fromarray(RGB).save(tmp_path / name, icc_profile=profile)
    assert [said(name) == "" for name in ("srgb.png", "lab.png", "none.png")] == [True, False, True]


@pytest.mark.parametrize("orientation", range(10))
def test_a_photograph_is_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(load_picture(tmp_path / "a.png").rgb, expected)


@pytest.mark.parametrize("kind", [2, 7])
def test_an_odd_tag_beside_the_orientation_does_no_harm(tmp_path, kind):
    """Tags of a wrong type, which Pillow reads and cannot write again."""
    entries = [(0x0100, kind, 4, b"abcd"), (0x0112, 3, 1, b"\6\0\0\0"), (0x011A, kind, 2, b"abcd")]
    tags = b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + tags + bytes(4)
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(load_picture(tmp_path / "a.png").rgb, np.rot90(RGB, -1))


def test_what_a_decoder_raises_is_a_damaged_picture(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "a.png")

    def load(*args: object) -> None:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(Image.Image, "load", load)
    with pytest.raises(StudioError, match="damaged or cut short"):
        load_picture(tmp_path / "a.png")


def test_transparent_pixels_lie_on_white_and_keep_what_is_stored(tmp_path):
    alpha = np.array([[0, 255], [128, 127]], dtype=np.uint8)
    stored = np.full((2, 2, 3), 50, dtype=np.uint8)
    Image.fromarray(np.dstack([stored, alpha])).save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png")
    assert picture.rgb[..., 0].tolist() == [[255, 50], [152, 153]]
    assert np.array_equal(picture.stored, stored) and picture.alpha is not None
    mask = alpha_mask(picture)
    assert mask.tolist() == [[True, False], [False, True]]
    filled = picture.filled(np.full((2, 2, 3), 9, dtype=np.uint8), mask)
    assert filled.alpha is not None and filled.alpha.tolist() == [[255, 255], [128, 255]]
    assert filled.stored[..., 0].tolist() == [[9, 50], [50, 9]]


def test_a_transparent_palette_color(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], dtype=np.uint8))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "a.png", transparency=1)
    assert alpha_mask(load_picture(tmp_path / "a.png")).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_color_of_16_bits(tmp_path, channels):
    """Held against all 16 bits, of which 8 are kept."""
    pixels = RNG.integers(0, 1 << 16, (4, 5, channels), dtype=np.uint16)
    pixels[1, 2] = pixels[3, 0] = 0x1234
    pixels[0, 1], pixels[0, 2] = 0x1235, 0x1334  # the same but for the lower or the upper byte of each channel
    pixels[2, 2, -1] = 0x1234
    (tmp_path / "a.png").write_bytes(data := deep_png(pixels, [0x1234] * channels))
    expected = np.full((4, 5), 255)
    expected[1, 2] = expected[3, 0] = 0
    if channels == 1:
        expected[2, 2] = 0
    opaque = deep_png(pixels)
    for picture in (load_picture(tmp_path / "a.png"), load_picture("a.png", data)):
        assert picture.alpha is not None and np.array_equal(picture.alpha, expected)
        assert np.array_equal(picture.stored, load_picture("b.png", opaque).stored)
    assert load_picture("b.png", opaque).alpha is None
    assert load_picture("b.png", deep_png(pixels, [0x4321] * channels)).alpha is None


def test_what_is_odd_but_read_is_not_warned_of(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    plain = load_picture(tmp_path / "a.jpg")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert np.array_equal(load_picture(tmp_path / "a.jpg").stored, plain.stored)
        assert not seen
        warnings.warn("of another", stacklevel=1)
        assert len(seen) == 1


def test_opaque_pictures_have_nothing_to_fill_by_alpha():
    with pytest.raises(StudioError, match="no transparent part"):
        alpha_mask(Picture(RGB))
    with pytest.raises(StudioError, match="Nothing to fill"):
        alpha_mask(Picture(RGB, np.full((5, 7), 200, dtype=np.uint8)))


def test_masks_are_white_where_to_fill(tmp_path):
    grey = np.array([[0, 127, 128], [255, 200, 10]], dtype=np.uint8)
    expected = grey >= 128
    Image.fromarray(grey).save(tmp_path / "l.png")
    Image.fromarray(np.dstack([grey] * 3)).save(tmp_path / "rgb.png")
    # White strokes on nothing, as painting programs save them.
    Image.fromarray(np.dstack([np.full((2, 3, 3), 255, dtype=np.uint8), grey])).save(tmp_path / "rgba.png")
    for name in ("l.png", "rgb.png", "rgba.png"):
        assert np.array_equal(load_mask(tmp_path / name, (3, 2)), expected), name


def test_a_large_mask_takes_little_memory(tmp_path, monkeypatch):
    image = np.zeros((2000, 1000, 4), dtype=np.uint8)
    image[700:1500, 1:] = 255
    Image.fromarray(image).save(tmp_path / "large.png")
    picture = load_picture(tmp_path / "large.png")
    monkeypatch.setattr(images, "load_picture", lambda path: picture)
    tracemalloc.start()
    mask = load_mask(tmp_path / "large.png", (1000, 2000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(mask, image[..., 3] > 0)
    assert most < 10 * mask.nbytes  # in floats it was 32 times as much


def test_bad_masks(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "m.png")
    with pytest.raises(StudioError, match="4×3 pixels, the picture 32×30"):
        load_mask(tmp_path / "m.png", (32, 30))
    with pytest.raises(StudioError, match="Nothing to fill"):
        load_mask(tmp_path / "m.png", (4, 3))


def test_what_is_no_picture_is_refused_in_one_sentence(tmp_path, monkeypatch):
    Image.fromarray(np.tile(RGB, (20, 20, 1))).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "header.png").write_bytes(whole[:20])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.fromarray(RGB).save(tmp_path / "a.tiff")
    for name, message in {
        "none.png": "no file",
        ".": "is a folder",
        "n" * 300 + ".png": "Cannot read",
        "cut.png": "damaged or cut short",
        "header.png": "picture|damaged",
        "text.png": "not a picture",
        "empty.png": "not a picture",
        "a.tiff": "not a picture",
    }.items():
        with pytest.raises(StudioError, match=message) as error:
            load_picture(tmp_path / name)
        assert "\n" not in str(error.value)
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(StudioError, match="million pixels"):
        load_picture(tmp_path / "whole.png")


def test_a_decompression_bomb_is_refused(tmp_path):
    # 81, 100 and 400 million pixels: where only we refuse, where Pillow warns and where it raises.
    for side in (9_000, 10_000, 20_000):
        header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
        (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I4s", 0, b"IDAT"))
        with pytest.raises(StudioError, match="more than 64 million pixels"):
            load_picture(tmp_path / "bomb.png")


def tokenizers() -> list[images.ImageTokenizer]:
    colors = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    return [RgbTokenizer(4, 6), PaletteTokenizer(colors, 4, 6)]


@pytest.mark.parametrize("tokenizer", tokenizers(), ids=["rgb", "palette"])
def test_tokens_round_trip(tokenizer):
    tokens = RNG.integers(0, 256, (2, 3, tokenizer.num_tokens))
    pictures = tokenizer.decode(tokens)
    assert pictures.shape == (2, 3, 4, 6, 3) and pictures.dtype == np.uint8
    assert np.array_equal(tokenizer.decode(tokenizer.encode(pictures)), pictures)
    assert tokenizer.encode(pictures).dtype == np.int64


def test_rgb_tokens_go_by_row_column_color():
    tokenizer = RgbTokenizer(4, 6)
    image = np.zeros((4, 6, 3), dtype=np.uint8)
    image[2, 5, 1] = 99
    assert np.flatnonzero(tokenizer.encode(image)).tolist() == [(2 * 6 + 5) * 3 + 1]


@pytest.mark.parametrize("tokenizer", tokenizers(), ids=["rgb", "palette"])
def test_a_token_is_masked_with_its_pixel(tokenizer):
    mask = RNG.random((4, 6)) < 0.5
    image = np.where(mask[..., None], np.uint8(255), np.uint8(0)).repeat(3, axis=2)
    plain = np.zeros_like(image)
    changed = tokenizer.encode(image) != tokenizer.encode(plain)
    assert np.array_equal(tokenizer.token_mask(mask), changed)


@pytest.mark.parametrize("length", [1, 3, 8])
@pytest.mark.parametrize("tokenizer", tokenizers(), ids=["rgb", "palette"])
def test_rough_colors_are_the_mean_of_the_possible_ones(tokenizer, length):
    subtokens = Subtokens(256, length)
    tokens = RNG.integers(0, 256, (2, tokenizer.num_tokens))
    y = subtokens.encode(tokens)
    assert np.array_equal(tokenizer.rough(y, subtokens), tokenizer.decode(tokens))
    y[RNG.random(y.shape) < 0.5] = subtokens.mask_id
    values = getattr(tokenizer, "colors", np.arange(256)[:, None]).astype(float)
    expected = np.array([values[row].mean(axis=0) for row in subtokens.compatible(y).reshape(-1, 256)])
    rough = tokenizer.rough(y, subtokens)
    assert rough.shape == (2, 4, 6, 3) and rough.dtype == np.uint8
    assert np.abs(rough.reshape(expected.shape) - expected).max() <= 0.5001


def test_image_tokenizers_by_name(tmp_path):
    colors = RNG.integers(0, 256, (16, 3), dtype=np.uint8)
    save_palette(tmp_path / "palette.json", colors)
    assert np.array_equal(load_palette(tmp_path / "palette.json"), colors)
    tokenizer = image_tokenizer("palette", (4, 6), tmp_path / "palette.json")
    assert (tokenizer.vocab_size, tokenizer.num_tokens) == (16, 24)
    assert image_tokenizer("rgb", (4, 6)).num_tokens == 72
    for kind in ("bpe", "palette"):
        with pytest.raises(StudioError, match="Unknown picture tokenizer"):
            image_tokenizer(kind, (4, 6))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"colors": 1}',
        '{"colors": [[1, 2]]}',
        '{"colors": [[1, 2, 3]]}',
        '{"colors": [[1, 2, 3], [1, 2]]}',
        '{"colors": [[1, 2, 300], [0, 0, 0]]}',
        '{"colors": [[1.5, 2, 3], [0, 0, 0]]}',
    ],
)
def test_bad_palettes(tmp_path, content):
    (tmp_path / "palette.json").write_text(content)
    with pytest.raises(StudioError, match="install the model again"):
        load_palette(tmp_path / "palette.json")


@needs_pipes
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(StudioError, match="is no file"):
        load_picture(tmp_path / "a.png")
    with pytest.raises(StudioError, match="not a PNG"):
        read_parameters(tmp_path / "a.png")
