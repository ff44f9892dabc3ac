"""A measured figure and its bar: what `prime-studio bench` tells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure, and the most that it may be, or with `at_least` the least."""

    name: str
    value: float
    bar: float
    unit: str
    note: str = ""
    at_least: bool = False

    @property
    def reached(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def line(self) -> str:
        verdict = "reached" if self.reached else "NOT REACHED"
        bar = f"(at {'least' if self.at_least else 'most'} {self.bar:g})"
        return f"{self.name:58} {self.value:8.4g} {self.unit:7} {bar}  {verdict}  {self.note}".rstrip()
