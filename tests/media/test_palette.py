import numpy as np

from studio.media.palette import build_palette, nearest


def test_a_code_is_a_path_from_dark_to_light():
    pixels = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    palette = build_palette(pixels, 4)
    assert palette.shape == (16, 3) and palette.dtype == np.uint8
    assert (np.diff(palette[:, 0].astype(int)) > 0).all()
    assert palette[:8].max() < palette[8:].min()


def test_fewer_colors_than_leaves_come_back_exactly():
    pixels = np.array([[255, 255, 255]] * 90 + [[200, 10, 10], [10, 10, 200], [0, 0, 0]], dtype=np.uint8)
    palette = build_palette(pixels, 4)
    assert palette.shape == (16, 3)
    assert np.array_equal(palette[nearest(palette, pixels)], pixels)


def test_nearest_is_the_nearest():
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (16, 3), dtype=np.uint8)
    pixels = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    distances = ((pixels[..., None, :].astype(int) - palette) ** 2).sum(-1)
    chosen = nearest(palette, pixels)
    assert np.array_equal(np.take_along_axis(distances, chosen[..., None], -1)[..., 0], distances.min(-1))
