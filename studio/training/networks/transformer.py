"""The text network: a diffusion transformer (DiT) with rotary positions, without time.

Parameter names and shapes hold the published MDM-Prime weights. Layout: Peebles and Xie 2022
(arXiv 2212.09748) as used by MDLM (Sahoo et al. 2024, arXiv 2406.07524) and MDM-Prime (Chao et al.
2025, arXiv 2505.18495), which condition on a noise level of constantly 0.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studio.training.networks.attention import attend
from studio.training.networks.digits import Compatibility, class_mean

NOISE_FEATURES = 256
EPS = 1e-5


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of a transformer.

    The published OpenWebText network is context 1024, vocab_size 50257, length 4, base 15, width 768,
    blocks 12, heads 12, cond_width 128, dropout 0.1.
    """

    context: int
    vocab_size: int
    length: int
    base: int
    width: int
    blocks: int
    heads: int
    cond_width: int = 128  # of the (constant) conditioning vector
    dropout: float = 0.0
    tied: bool = False  # feed the mean of the compatible classes' output embeddings in as well

    def __post_init__(self) -> None:
        if self.width % self.length:
            raise ValueError(f"width {self.width} must be a multiple of length {self.length}")
        if self.width % self.heads or self.width // self.heads % 2:
            raise ValueError(f"width {self.width} must split into {self.heads} heads of even width")


class Transformer(nn.Module):
    """(y, rows) to logits, as every denoiser: y int (B, L, ℓ), rows int (n,) into B·L, logits (n, C).

    L may be anything up to the context.
    """

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.vocab_embed = EmbeddingTable(config.base + 1, config.width // config.length)
        self.sigma_map = ConstantCondition(config.cond_width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.output_layer = OutputLayer(config)
        if config.tied:
            self.compatible = Compatibility(config.vocab_size, config.length, config.base)
            self.class_gain = nn.Parameter(torch.ones(config.width))
            self.class_openness = nn.Parameter(torch.zeros(config.width))

    def forward(self, y: Tensor, rows: Tensor) -> Tensor:
        x = F.embedding(y, self.vocab_embed.embedding).flatten(-2)
        if self.config.tied:
            mean, openness = class_mean(self.compatible(y), self.output_layer.linear.weight)
            # The output embeddings are small; scaled so, they weigh as much as the digits from the start.
            x = x + self.config.width**0.5 * self.class_gain * mean + self.class_openness * openness
        rotation = rotary_table(y.shape[1], self.config.width // self.config.heads, y.device)
        condition = F.silu(self.sigma_map())
        for block in self.blocks:
            x = block(x, condition, rotation)
        return self.output_layer(x.reshape(-1, x.shape[-1])[rows], condition)


class EmbeddingTable(nn.Module):
    def __init__(self, rows: int, width: int):
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(rows, width) * 0.3)


class ConstantCondition(nn.Module):
    """The published network embeds a noise level, but it is always 0: sinusoidal features (1 …, 0 …)."""

    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(NOISE_FEATURES, width), nn.SiLU(), nn.Linear(width, width))
        features = torch.cat([torch.ones(NOISE_FEATURES // 2), torch.zeros(NOISE_FEATURES // 2)])
        self.register_buffer("features", features, persistent=False)

    def forward(self) -> Tensor:
        return self.mlp(self.features)


class Norm(nn.Module):
    """Layer normalisation without bias, in float32, then the modulation x·(1 + scale) + shift."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        normed = F.layer_norm(x.float(), self.weight.shape, self.weight, eps=EPS)
        return normed * (1 + scale) + shift


class Block(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm1 = Norm(width)
        self.attn_qkv = nn.Linear(width, 3 * width, bias=False)
        self.attn_out = nn.Linear(width, width, bias=False)
        self.norm2 = Norm(width)
        mlp_out = nn.Linear(4 * width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), mlp_out)
        self.adaLN_modulation = nn.Linear(config.cond_width, 6 * width)
        self.dropout = nn.Dropout(config.dropout)
        # Every block starts as the identity, by its last matrices. The gates start at 1, not at 0 as in the
        # published network: they would open slowly, and until then let hardly any gradient through.
        for last in (self.attn_out.weight, mlp_out.weight, mlp_out.bias):
            nn.init.zeros_(last)
        nn.init.zeros_(self.adaLN_modulation.weight)
        with torch.no_grad():
            gates = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
            self.adaLN_modulation.bias.copy_(gates.repeat_interleave(width))

    def forward(self, x: Tensor, condition: Tensor, rotation: Tensor) -> Tensor:
        modulation = self.adaLN_modulation(condition).chunk(6)
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = modulation
        x = x + gate_attn * self.dropout(self._attend(self.norm1(x, shift_attn, scale_attn), rotation))
        return x + gate_mlp * self.dropout(self.mlp(self.norm2(x, shift_mlp, scale_mlp)))

    def _attend(self, x: Tensor, rotation: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.attn_qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = attend(rotate(q, rotation), rotate(k, rotation), v)
        return self.attn_out(attended.transpose(1, 2).reshape(batch, tokens, width))


class OutputLayer(nn.Module):
    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.norm_final = Norm(config.width)
        self.linear = nn.Linear(config.width, config.vocab_size)
        self.adaLN_modulation = nn.Linear(config.cond_width, 2 * config.width)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)
        nn.init.zeros_(self.adaLN_modulation.weight)
        nn.init.zeros_(self.adaLN_modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(condition).chunk(2)
        return self.linear(self.norm_final(x, shift, scale))


def rotary_table(tokens: int, width: int, device: torch.device) -> Tensor:
    """(2, L, width/2): cosines and sines of the rotary embedding, base 10000, float32."""
    frequencies = 10000 ** (-torch.arange(0, width, 2, device=device).float() / width)
    angles = torch.arange(tokens, device=device).float()[:, None] * frequencies
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotary embedding of (B, heads, L, width), halves convention (Su et al. 2021, arXiv 2104.09864)."""
    cos, sin = rotation.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
