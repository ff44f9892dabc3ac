import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.prime.schedules import SCHEDULES, alpha, alpha_grid, inverse, time_grid

NAMES = [*SCHEDULES, "poly1.5", "poly0.5"]


@pytest.mark.parametrize("name", NAMES)
def test_inverse_is_exact(name: str):
    t = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(inverse(name, alpha(name, t)), t, rtol=0, atol=1e-9)
    np.testing.assert_allclose(alpha(name, inverse(name, t)), t, rtol=1e-12)
    assert isinstance(alpha(name, 0.25), float)
    assert inverse(name, alpha(name, 0.25)) == pytest.approx(0.25, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@given(steps=st.integers(1, 2000))
def test_grid_rises_from_nothing_to_all(name: str, steps: int):
    grid = alpha_grid(name, steps)
    assert grid.shape == (steps + 1,) and grid.dtype == np.float64
    assert grid[0] == 0 and grid[-1] == 1
    assert (np.diff(grid) > 0).all()


def test_values():
    assert alpha("linear", 0.3) == 0.3
    assert alpha("poly3", 0.5) == 0.125
    assert alpha("cosine", 0.5) == pytest.approx(1 - np.cos(np.pi / 4), abs=1e-15)
    assert alpha_grid("cosine", 32)[1] < 1 / 32 / 10


@pytest.mark.parametrize("name", ["", "sine", "poly", "poly0", "poly-1", "poly1e3", "polyx", "poly3 ", "Linear"])
def test_unknown_names_are_refused(name: str):
    for function in (alpha, inverse):
        with pytest.raises(ValueError, match="unknown schedule"):
            function(name, 0.5)


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        alpha_grid("linear", 0)


def test_a_warp_moves_the_ends_of_the_steps():
    np.testing.assert_array_equal(time_grid(4), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(time_grid(4, (1.0, 2.0, 0.0)), [0, 0.4375, 0.75, 0.9375, 1])
    # What leaves 0 … 1 stops at its ends.
    np.testing.assert_allclose(time_grid(4, (1.0, 1.0, 0.3)), [0, 0.55, 0.8, 1, 1])
    np.testing.assert_allclose(alpha_grid("poly3", 2, (1.0, 2.0, 0.0)), [0, 0.75**3, 1])


@pytest.mark.parametrize("warp", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (np.inf, 1.0, 0.0), (1.0, 1.0, np.nan)])
def test_numbers_that_are_no_warp(warp: tuple[float, float, float]):
    with pytest.raises(ValueError, match="warp"):
        time_grid(4, warp)
