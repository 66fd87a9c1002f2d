"""What a scenario hands to the report: rows of figures, and targets that were met or missed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One measured thing; `cells` in the order of the result's columns."""

    name: str
    cells: list[str]


@dataclass(frozen=True)
class Target:
    """A promise and what became of it; `is_met` is None when it could not be measured."""

    promise: str
    measured: str
    is_met: bool | None


@dataclass
class Result:
    name: str
    title: str
    columns: list[str]
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    """Requests per second by peer, where that is what was measured."""

    def add(self, name: str, *cells: str) -> None:
        self.rows.append(Row(name, list(cells)))

    def fail(self, name: str, reason: str) -> None:
        """Note that a peer could not be measured; its row stays, so that nothing vanishes silently."""
        self.add(name, *["-"] * len(self.columns))
        self.remarks.append(f"{name} failed: {reason}")

    def at_least(self, promise: str, value: float | None, floor: float, unit: str) -> None:
        self.targets.append(_judge(promise, value, unit, is_met=value is not None and value >= floor))

    def at_most(self, promise: str, value: float | None, ceiling: float, unit: str) -> None:
        self.targets.append(_judge(promise, value, unit, is_met=value is not None and value <= ceiling))


def _judge(promise: str, value: float | None, unit: str, *, is_met: bool) -> Target:
    if value is None:
        return Target(promise, "not measured", None)
    return Target(promise, f"{value:,.2f}{unit}" if abs(value) < 100 else f"{value:,.0f}{unit}", is_met)
