"""MP4 video without a video library: H.264 whose changed blocks are stored as they are.

A time-lapse of a fill changes few blocks a frame. Each 16×16 block is either skipped (as in the frame before)
or stored raw (macroblock type I_PCM), which every H.264 player must read; no transform, so nothing blurs.
ITU-T H.264, clauses 7.3 and 7.4 (syntax), annex B and E; ISO/IEC 14496-12 and -15 (the file).
"""

import re
import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_TIMESCALE = 1000
_LEVEL = 51
# BT.709, limited range: rows give Y, Cb, Cr of RGB in 0 … 255.
_TO_YCC = np.array(
    [
        [0.2126 * 219, 0.7152 * 219, 0.0722 * 219],
        [-0.2126 * 224 / 1.8556, -0.7152 * 224 / 1.8556, 0.5 * 224],
        [0.5 * 224, -0.7152 * 224 / 1.5748, -0.0722 * 224 / 1.5748],
    ],
    dtype=np.float32,
) / np.float32(255)


class _Bits:
    """Bits to bytes, with the Exp-Golomb codes of H.264 (clause 9.1)."""

    def __init__(self):
        self.done = bytearray()
        self._value = 0
        self._count = 0

    def u(self, value: int, bits: int) -> None:
        self._value = self._value << bits | value
        self._count += bits
        while self._count >= 8:
            self._count -= 8
            self.done.append(self._value >> self._count & 0xFF)
        self._value &= (1 << self._count) - 1

    def ue(self, *values: int) -> None:
        for value in values:
            self.u(value + 1, 2 * (value + 1).bit_length() - 1)

    def align(self) -> None:
        self.u(0, -self._count % 8)

    def unit(self, header: int) -> bytes:
        """The finished unit behind its one-byte header, start codes within it broken up (clause 7.4.1)."""
        self.u(1, 1)
        self.align()
        return bytes([header]) + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", bytes(self.done))


def encode_mp4(frames: Iterable[NDArray[np.uint8]], durations: Sequence[int]) -> bytes:
    """RGB frames, uint8 (H, W, 3) of one even size, shown for so many milliseconds each, as an MP4 file."""
    samples = []
    before = None
    height = width = 0
    for number, frame in enumerate(frames):
        height, width = frame.shape[:2]
        if height % 2 or width % 2:
            raise ValueError("height and width must be even")
        blocks = _blocks(frame)
        samples.append(_slice(blocks, before, number))
        before = blocks
    return _container(samples, durations, width, height)


def _blocks(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(blocks, 384): luma 16×16, Cb 8×8 and Cr 8×8 of every macroblock, row by row."""
    height, width = frame.shape[:2]
    padded = np.pad(frame, ((0, -height % 16), (0, -width % 16), (0, 0)), mode="edge")
    ycc = padded.astype(np.float32) @ _TO_YCC.T + np.array([16, 128, 128], dtype=np.float32)
    rows, columns = padded.shape[0] // 16, padded.shape[1] // 16
    luma = ycc[..., 0].reshape(rows, 16, columns, 16).swapaxes(1, 2).reshape(-1, 256)
    chroma = ycc[..., 1:].reshape(rows, 8, 2, columns, 8, 2, 2).mean(axis=(2, 5))
    chroma = chroma.transpose(0, 2, 4, 1, 3).reshape(-1, 128)
    return np.clip(np.rint(np.concatenate([luma, chroma], axis=1)), 1, 254).astype(np.uint8)


def _slice(blocks: NDArray[np.uint8], before: NDArray[np.uint8] | None, number: int) -> bytes:
    """One frame as one slice: all blocks raw in the first (IDR), changed blocks raw and the rest skipped in others."""
    bits = _Bits()
    key = before is None
    bits.ue(0, 7 if key else 5, 0)  # first macroblock, type I or P, parameter set
    bits.u(number % 16, 4)
    if key:
        bits.ue(0)  # idr_pic_id
    else:
        bits.u(0, 2)  # one reference, in its usual place
    bits.u(0, 2 if key else 1)  # reference marking as usual
    bits.ue(0, 1)  # quantiser offset 0, deblocking off
    skipped = 0
    changed = np.ones(len(blocks), dtype=bool) if before is None else (blocks != before).any(axis=1)
    for block, new in zip(blocks, changed, strict=True):
        if not new:
            skipped += 1
            continue
        if not key:
            bits.ue(skipped)
        bits.ue(25 if key else 30)  # I_PCM
        bits.align()
        bits.done += block.tobytes()
        skipped = 0
    if skipped:
        bits.ue(skipped)
    return bits.unit(0x65 if key else 0x41)


def _parameter_sets(width: int, height: int) -> tuple[bytes, bytes]:
    sequence = _Bits()
    for byte in (66, 0xC0, _LEVEL):  # constrained baseline
        sequence.u(byte, 8)
    sequence.ue(0, 0, 2, 1)  # id, 4-bit frame numbers, output in coding order, one reference
    sequence.u(0, 1)
    sequence.ue((width + 15) // 16 - 1, (height + 15) // 16 - 1)
    sequence.u(0b111, 3)  # whole frames, direct_8x8, cropping
    sequence.ue(0, -width % 16 // 2, 0, -height % 16 // 2)
    sequence.u(1, 1)  # with usability information:
    sequence.u(0b0_0_1_101_0_1, 8)  # no aspect ratio, no overscan, video signal: unspecified format, limited range
    for byte in (1, 1, 1):  # BT.709
        sequence.u(byte, 8)
    sequence.u(0, 6)  # no chroma position, timing, HRD (2), picture structure, restrictions
    picture = _Bits()
    picture.ue(0, 0)
    picture.u(0, 2)  # CAVLC, one field order
    picture.ue(0, 0, 0)  # one slice group, one reference
    picture.u(0, 3)  # no weighting
    picture.ue(0, 0, 0)  # quantisers as usual
    picture.u(0b100, 3)  # deblocking control in slices
    return sequence.unit(0x67), picture.unit(0x68)


def _box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), name) + body


def _full(name: bytes, flags: int, *content: bytes) -> bytes:
    return _box(name, struct.pack(">I", flags), *content)


def _integers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _table(rows: Iterable[Sequence[int]]) -> bytes:
    rows = list(rows)
    return _integers(len(rows), *(value for row in rows for value in row))


def _container(samples: list[bytes], durations: Sequence[int], width: int, height: int) -> bytes:
    """The MP4 file around the samples: one track, index before the data."""
    total = sum(durations)
    data = b"".join(struct.pack(">I", len(sample)) + sample for sample in samples)
    sequence, picture = _parameter_sets(width, height)
    matrix = _integers(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    config = (
        bytes([1, 66, 0xC0, _LEVEL, 0xFF, 0xE1])
        + struct.pack(">H", len(sequence)) + sequence
        + b"\x01" + struct.pack(">H", len(picture)) + picture
    )  # fmt: skip
    entry = _box(
        b"avc1",
        struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, 0x480000, 0x480000, 0, 1, 24, -1),
        _box(b"avcC", config),
    )
    kind = _box(b"ftyp", b"isom", _integers(0x200), b"isomiso2avc1mp41")

    def movie(offset: int) -> bytes:
        table = _box(
            b"stbl",
            _full(b"stsd", 0, _integers(1), entry),
            _full(b"stts", 0, _table((1, duration) for duration in durations)),
            _full(b"stss", 0, _table([(1,)])),
            _full(b"stsc", 0, _table([(1, len(samples), 1)])),
            _full(b"stsz", 0, _integers(0), _table((len(sample) + 4,) for sample in samples)),
            _full(b"stco", 0, _table([(offset,)])),
        )
        information = _box(
            b"minf",
            _full(b"vmhd", 1, bytes(8)),
            _box(b"dinf", _full(b"dref", 0, _integers(1), _full(b"url ", 1))),
            table,
        )
        media = _box(
            b"mdia",
            _full(b"mdhd", 0, _integers(0, 0, _TIMESCALE, total), b"\x55\xc4\0\0"),
            _full(b"hdlr", 0, _integers(0), b"vide", bytes(12), b"VideoHandler\0"),
            information,
        )
        shape = _integers(width << 16, height << 16)
        track = _box(b"trak", _full(b"tkhd", 3, _integers(0, 0, 1, 0, total), bytes(16), matrix, shape), media)
        header = _full(
            b"mvhd", 0, _integers(0, 0, _TIMESCALE, total, 0x10000), b"\1\0", bytes(10), matrix, bytes(24), _integers(2)
        )
        return _box(b"moov", header, track)

    offset = len(kind) + len(movie(0)) + 8
    return kind + movie(offset) + _box(b"mdat", data)
