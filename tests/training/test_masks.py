import torch
from torch import Generator

from studio.training.masks import alphas, mask_digits, picture_regions, text_regions
from studio.training.objective import Corruption


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_one_alpha_a_stratum():
    values = alphas(64, 1.0, seeded()).sort().values
    assert values.min() >= 0
    assert values.max() < 1
    assert ((values * 64).floor().diff() == 1).sum() >= 62  # the offset wraps one of them around


def test_digits_of_a_group_are_masked_together_and_as_often_as_asked():
    granularity = torch.tensor([1, 2, 4, 8] * 50)
    alpha = torch.full((200,), 0.3)
    masked = mask_digits((200, 64, 8), alpha, granularity, seeded())
    assert abs(masked.float().mean().item() - 0.7) < 0.01
    for index, count in enumerate(granularity.tolist()):
        groups = masked[index].view(64, count, 8 // count)
        assert (groups.all(-1) == groups.any(-1)).all()
    fine = masked[granularity == 8]
    assert (fine.any(-1) != fine.all(-1)).any()


def test_picture_regions_are_rectangles_or_strokes_of_many_sizes():
    regions = picture_regions(256, 16, 16, seeded()).view(256, 16, 16)
    share = regions.flatten(1).float().mean(1)
    assert (share > 0).float().mean() > 0.95
    assert share.min() < 0.1
    assert share.max() == 1
    rows, columns = regions.any(2), regions.any(1)
    is_rectangle = (regions == (rows[:, :, None] & columns[:, None, :])).all(2).all(1)
    assert 0.3 < is_rectangle.float().mean() < 0.8
    rectangle = regions[is_rectangle & (share < 1)]
    sides = torch.stack([rectangle.any(2).sum(1), rectangle.any(1).sum(1)])
    assert sides.min() == 3 and sides.max() == 16  # from 0.15 of a side to all of it
    for edge in (rectangle[:, 0], rectangle[:, -1], rectangle[:, :, 0], rectangle[:, :, -1]):
        assert 0.05 < edge.any(1).float().mean() < 0.9


def test_text_regions_are_spans():
    regions = text_regions(500, 64, seeded())
    starts = (regions.int().diff(dim=1) == 1).sum(1) + regions[:, 0]
    assert starts.max() <= 4
    assert (starts >= 1).all()
    lengths = regions.sum(1).float()
    assert lengths.min() == 1
    assert regions[:, 0].any() and regions[:, -1].any()
    assert lengths.median() < 24 < lengths.max()


def test_corruption_leaves_what_is_outside_the_region():
    corruption = Corruption((1, 4), (1.0, 1.0), region_share=1.0, grid=(8, 8))
    digits = torch.randint(0, 2, (64, 64, 4), generator=seeded(1))
    y = corruption(digits, 2, seeded(2))
    kept = y != 2
    assert (y[kept] == digits[kept]).all()
    untouched = kept.all(-1).float().mean(1)
    assert untouched.max() > 0.8


def test_the_same_generator_state_hides_the_same_digits():
    corruption = Corruption((1, 2), (3.0, 1.0))
    digits = torch.randint(0, 2, (8, 32, 4), generator=seeded(1))
    assert torch.equal(corruption(digits, 2, seeded(5)), corruption(digits, 2, seeded(5)))
    assert not torch.equal(corruption(digits, 2, seeded(5)), corruption(digits, 2, seeded(6)))
