import numpy as np
import pytest

from studio.media.export import enlarge, save_timelapse
from studio.media.mp4 import encode_mp4


def animation(count: int, side: int) -> list[np.ndarray]:
    """White pictures into which one more coloured pixel comes at each frame."""
    frames = [np.full((side, side, 3), 255, dtype=np.uint8)]
    for index in range(1, count):
        frame = frames[-1].copy()
        frame[index, -index] = (37 * index % 256, 91 * index % 256, 200)
        frames.append(frame)
    return frames


def boxes(data: bytes) -> dict[bytes, bytes]:
    """The boxes of one level of an MP4 file."""
    found = {}
    while data:
        size = int.from_bytes(data[:4], "big")
        assert 8 <= size <= len(data)
        found[data[4:8]] = data[8:size]
        data = data[size:]
    return found


def sample_table(data: bytes) -> dict[bytes, bytes]:
    media = boxes(boxes(boxes(boxes(data)[b"moov"])[b"trak"])[b"mdia"])
    return boxes(boxes(media[b"minf"])[b"stbl"])


class Reader:
    """Bits of one H.264 unit, read as the standard says."""

    def __init__(self, unit: bytes):
        self.bits = "".join(f"{byte:08b}" for byte in unit.replace(b"\0\0\3", b"\0\0"))
        self.at = 0

    def u(self, count: int) -> int:
        self.at += count
        return int(self.bits[self.at - count : self.at], 2)

    def ue(self) -> int:
        zeros = self.bits.index("1", self.at) - self.at
        self.at += zeros
        return self.u(zeros + 1) - 1

    def block(self) -> np.ndarray:
        while self.at % 8:
            assert self.u(1) == 0
        return np.array([self.u(8) for _ in range(384)], dtype=np.uint8)

    def more(self) -> bool:
        """Whether there is anything before the stop bit."""
        return self.at < self.bits.rindex("1")


def decode(samples: list[bytes], blocks: int) -> list[np.ndarray]:
    """The macroblocks (blocks, 384) of every frame of a stream of raw and skipped ones."""
    frames, frame = [], np.zeros((blocks, 384), dtype=np.uint8)
    for number, sample in enumerate(samples):
        assert int.from_bytes(sample[:4], "big") == len(sample) - 4
        read, frame, at = Reader(sample[4:]), frame.copy(), 0
        key = read.u(8) == 0x65
        assert key == (number == 0)
        assert [read.ue(), read.ue(), read.ue(), read.u(4)] == [0, 7 if key else 5, 0, number % 16]
        assert (read.ue(), read.u(2)) == (0, 0) if key else (read.u(2), read.u(1)) == (0, 0)
        assert [read.ue(), read.ue()] == [0, 1]
        while read.more():
            at += 0 if key else read.ue()
            if read.more():
                assert read.ue() == (25 if key else 30)
                frame[at] = read.block()
                at += 1
        assert at == blocks
        frames.append(frame)
    return frames


def test_every_frame_can_be_read_again():
    # The same stream was read by FFmpeg 8 (through PyAV 18) without an error and to the same luma.
    frames = [enlarge(frame, 2) for frame in animation(count=18, side=20)]
    data = encode_mp4(frames, [80] * 18)
    sizes = np.frombuffer(sample_table(data)[b"stsz"], ">u4")[3:]
    stream, start = boxes(data)[b"mdat"], 0
    samples = []
    for size in sizes:
        samples.append(stream[start : start + size])
        start += size
    for blocks, frame in zip(decode(samples, 9), frames, strict=True):
        luma = blocks[:, :256].reshape(3, 3, 16, 16).swapaxes(1, 2).reshape(48, 48)[:40, :40]
        chroma = blocks[:, 256:].reshape(3, 3, 2, 8, 8).transpose(2, 0, 3, 1, 4).reshape(2, 24, 24)
        cb, cr = (plane.repeat(2, axis=0).repeat(2, axis=1)[:40, :40] - 128.0 for plane in chroma)
        light = (luma - 16.0) * 255 / 219
        red, blue = light + 1.5748 * cr * 255 / 224, light + 1.8556 * cb * 255 / 224
        green = (light - 0.2126 * red - 0.0722 * blue) / 0.7152
        assert np.abs(np.stack([red, green, blue], axis=-1) - frame).max() <= 4


def test_the_file_is_well_formed(tmp_path):
    save_timelapse(tmp_path / "t.mp4", animation(count=6, side=13), fps=10, scale=3)
    data = (tmp_path / "t.mp4").read_bytes()
    top = boxes(data)
    assert list(top) == [b"ftyp", b"moov", b"mdat"]
    table = sample_table(data)
    sizes = np.frombuffer(table[b"stsz"], ">u4")[3:]
    assert len(sizes) == 6 and sizes.sum() == len(top[b"mdat"])
    assert np.frombuffer(table[b"stco"], ">u4")[2] == data.index(top[b"mdat"])
    assert np.frombuffer(table[b"stts"], ">u4")[2:].reshape(-1, 2)[:, 1].tolist() == [100] * 5 + [1500]
    track = boxes(boxes(top[b"moov"])[b"trak"])
    assert np.frombuffer(track[b"tkhd"], ">u4")[-2:].tolist() == [40 << 16, 40 << 16]


def test_unchanged_frames_cost_next_to_nothing():
    frame = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert len(encode_mp4([frame] * 9, [80] * 9)) - len(encode_mp4([frame], [80])) < 8 * 32


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="even"):
        encode_mp4([np.zeros((3, 4, 3), dtype=np.uint8)], [80])
