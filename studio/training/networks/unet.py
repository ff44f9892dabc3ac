"""The picture network: a U-Net in the layout of guided diffusion, without time.

Parameter names and shapes hold the published MDM-Prime weights. Layout: Dhariwal and Nichol 2021
(arXiv 2105.05233); constant scale and shift in place of the time embedding: Chao et al. 2025
(arXiv 2505.18495).
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studio.training.networks.attention import attend
from studio.training.networks.digits import Compatibility, DigitEmbedding, class_mean

GROUPS = 32


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of a U-Net.

    The published CIFAR-10 network is height = width = 32, colors 3, vocab_size 256, length 2, base 16,
    digit_width 48, widths (288, 384, 384), blocks (5, 5, 5), attention (2,), dropout 0.4, head_kernel 3.
    """

    height: int
    width: int
    colors: int  # tokens a pixel: 3 for rgb, 1 for palette
    vocab_size: int
    length: int
    base: int
    digit_width: int  # features of one embedded digit
    widths: tuple[int, ...]  # feature maps of each level
    blocks: tuple[int, ...]  # residual blocks of each level on the way down; one more on the way up
    attention: tuple[int, ...] = (2,)  # down-sampling factors at which there is attention
    head_channels: int = 64
    dropout: float = 0.0
    class_width: int = 0  # features of the mean over compatible classes; 0 leaves it out
    head_kernel: int = 3  # 1: the head is computed at the asked rows only

    def __post_init__(self) -> None:
        for field in ("widths", "blocks", "attention"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if len(self.widths) != len(self.blocks):
            raise ValueError("widths and blocks must have one entry a level")
        if any(width % GROUPS for width in self.widths):
            raise ValueError(f"all widths must be multiples of {GROUPS}, not {list(self.widths)}")
        if self.input_width % GROUPS:
            digit = GROUPS // math.gcd(GROUPS, self.length)
            raise ValueError(
                f"its input would have {self.input_width} features, where it takes a multiple of {GROUPS}; for length "
                f"{self.length} set digit_width to {digit} and class_width to {GROUPS - 1}"
            )

    @property
    def input_width(self) -> int:
        class_features = self.class_width + 1 if self.class_width else 0
        return self.colors * (self.length * self.digit_width + class_features)


class UNet(nn.Module):
    """(y, rows) to logits, as every denoiser: y int (B, L, ℓ), rows int (n,) into B·L, logits (n, C).

    Tokens are in the order row, column, colour.
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config = config
        self.pixel_embedding = DigitEmbedding(config.base, config.digit_width)
        if config.class_width:
            self.compatible = Compatibility(config.vocab_size, config.length, config.base)
            self.class_embedding = nn.Parameter(0.5 * torch.randn(config.vocab_size, config.class_width))
        self.unet = Body(config)

    def forward(self, y: Tensor, rows: Tensor) -> Tensor:
        config = self.config
        features = self.pixel_embedding(y)
        if config.class_width:
            features = torch.cat([features, *class_mean(self.compatible(y), self.class_embedding)], dim=-1)
        # (B, row·W + column, colour·features) is already channels-last, which suits a GPU. On a CPU group
        # normalisation in bf16 is sixteen times slower so, and the convolutions only a tenth faster.
        maps = features.reshape(y.shape[0], config.height, config.width, config.input_width).permute(0, 3, 1, 2)
        layout = torch.channels_last if maps.is_cuda else torch.contiguous_format
        if torch.is_autocast_enabled(maps.device.type):  # or the skips of the first level stay float32 to the very end
            maps = maps.to(torch.get_autocast_dtype(maps.device.type))
        return self._head(self.unet(maps.contiguous(memory_format=layout)), rows)

    def _head(self, maps: Tensor, rows: Tensor) -> Tensor:
        config, head = self.config, cast(nn.Conv2d, self.unet.out[2])
        maps = self.unet.out[1](self.unet.out[0](maps))
        if config.head_kernel > 1:
            return head(maps).permute(0, 2, 3, 1).reshape(-1, config.vocab_size)[rows]
        pixels = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])[rows // config.colors]
        logits = F.linear(pixels, head.weight.flatten(1), head.bias)
        if config.colors == 1:
            return logits
        color = (rows % config.colors)[:, None, None].expand(-1, 1, config.vocab_size)
        return logits.view(-1, config.colors, config.vocab_size).gather(1, color).squeeze(1)


class Body(nn.Module):
    """Feature maps to feature maps: down, middle, up with skip connections."""

    def __init__(self, config: UNetConfig):
        super().__init__()

        def stage(inputs: int, outputs: int, factor: int) -> list[nn.Module]:
            block: list[nn.Module] = [ResidualBlock(inputs, outputs, config.dropout)]
            if factor in config.attention:
                block.append(AttentionBlock(outputs, config.head_channels))
            return block

        maps = config.input_width
        skips = [maps]
        self.input_blocks = nn.ModuleList([nn.Identity()])
        for level, (width, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
            if level:
                self.input_blocks.append(nn.Sequential(nn.AvgPool2d(2)))
                skips.append(maps)
            for _ in range(count):
                self.input_blocks.append(nn.Sequential(*stage(maps, width, 2**level)))
                maps = width
                skips.append(maps)
        self.middle_block = nn.Sequential(
            ResidualBlock(maps, maps, config.dropout),
            AttentionBlock(maps, config.head_channels),
            ResidualBlock(maps, maps, config.dropout),
        )
        self.output_blocks = nn.ModuleList()
        for level, (width, count) in reversed(list(enumerate(zip(config.widths, config.blocks, strict=True)))):
            for index in range(count + 1):
                block = stage(maps + skips.pop(), width, 2**level)
                maps = width
                if level and index == count:
                    block.append(nn.Upsample(scale_factor=2, mode="nearest"))
                self.output_blocks.append(nn.Sequential(*block))
        head = nn.Conv2d(maps, config.colors * config.vocab_size, config.head_kernel, padding=config.head_kernel // 2)
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, maps), nn.SiLU(), head)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(cast(Tensor, head.bias))

    def forward(self, maps: Tensor) -> Tensor:
        skips = []
        for block in self.input_blocks:
            maps = block(maps)
            skips.append(maps)
        maps = self.middle_block(maps)
        for block in self.output_blocks:
            maps = block(torch.cat([maps, skips.pop()], dim=1))
        return maps


class ConstantScaleShift(nn.Module):
    """A learned constant in the place that the time embedding has in guided diffusion."""

    def __init__(self, maps: int):
        super().__init__()
        self.embedding_table = nn.Parameter(torch.zeros(1, 2 * maps))

    def forward(self, maps: Tensor) -> Tensor:
        scale, shift = self.embedding_table[0, :, None, None].to(maps.dtype).chunk(2)
        return maps * (1 + scale) + shift


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, dropout: float):
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = ConstantScaleShift(outputs)
        last = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.out_layers = nn.Sequential(nn.GroupNorm(GROUPS, outputs), nn.SiLU(), nn.Dropout(dropout), last)
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        nn.init.zeros_(last.weight)  # every block starts as the identity
        nn.init.zeros_(cast(Tensor, last.bias))

    def forward(self, maps: Tensor) -> Tensor:
        hidden = self.emb_layers(self.out_layers[0](self.in_layers(maps)))
        return self.skip_connection(maps) + self.out_layers[1:](hidden)


class AttentionBlock(nn.Module):
    """Self-attention over the positions of a feature map; q, k, v are split first, then the heads."""

    def __init__(self, maps: int, head_channels: int):
        super().__init__()
        if maps % head_channels:
            raise ValueError(f"{maps} feature maps cannot be split into heads of {head_channels}")
        self.heads = maps // head_channels
        self.norm = nn.GroupNorm(GROUPS, maps)
        self.qkv = nn.Conv1d(maps, 3 * maps, 1)
        self.proj_out = nn.Conv1d(maps, maps, 1)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(cast(Tensor, self.proj_out.bias))

    def forward(self, maps: Tensor) -> Tensor:
        batch, width, height, columns = maps.shape
        # The 1×1 convolutions are linear maps over channels-last positions.
        positions = self.norm(maps).permute(0, 2, 3, 1).reshape(batch, height * columns, width)
        qkv = F.linear(positions, self.qkv.weight.squeeze(-1), self.qkv.bias)
        q, k, v = qkv.reshape(batch, height * columns, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = attend(q, k, v).transpose(1, 2).reshape(positions.shape)
        attended = F.linear(attended, self.proj_out.weight.squeeze(-1), self.proj_out.bias)
        return maps + attended.reshape(batch, height, columns, width).permute(0, 3, 1, 2)
