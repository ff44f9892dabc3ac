"""Figures in words: times, counts, sizes."""


def duration(seconds: float) -> str:
    """A time as people say it: 40 ms, 1.4 s, 2 min 5 s."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def count(number: float, one: str, several: str = "") -> str:
    """1 call, 2.5 calls, 1,200 calls."""
    said = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{said} {one if number == 1 else several or one + 's'}"


def bytes_text(count: float) -> str:
    """1234567 -> "1.2 MB", 283_900_000 -> "284 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
