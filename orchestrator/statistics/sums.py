"""Running sums behind the figures of a day."""

from attrs import define

from orchestrator.statistics.counters import Figures, PersonFigures


@define
class Sums:
    """Adds up to `Figures`."""

    offered: int = 0
    ringing: int = 0
    talking: int = 0
    answered: int = 0
    missed: int = 0
    refused: int = 0
    announced: int = 0
    wait_ms: int = 0
    talk_ms: int = 0
    over: int = 0

    def add(self, other: "Sums") -> None:
        """Take in what another counted."""
        self.offered += other.offered
        self.ringing += other.ringing
        self.talking += other.talking
        self.answered += other.answered
        self.missed += other.missed
        self.refused += other.refused
        self.announced += other.announced
        self.wait_ms += other.wait_ms
        self.talk_ms += other.talk_ms
        self.over += other.over

    def figures(self) -> Figures:
        """What it adds up to now."""
        return Figures(
            self.offered,
            self.ringing,
            self.talking,
            self.answered,
            self.missed,
            self.refused,
            self.announced,
            _mean(self.wait_ms, self.answered),
            self.talk_ms,
            _mean(self.talk_ms, self.over),
        )


@define
class PersonSums:
    """Adds up to `PersonFigures`."""

    offered: int = 0
    ringing: int = 0
    talking: int = 0
    answered: int = 0
    missed: int = 0
    made: int = 0
    wait_ms: int = 0
    talk_ms: int = 0

    def figures(self) -> PersonFigures:
        """What it adds up to now."""
        return PersonFigures(
            self.offered,
            self.ringing,
            self.talking,
            self.answered,
            self.missed,
            self.made,
            _mean(self.wait_ms, self.answered),
            self.talk_ms,
        )


def _mean(total: int, count: int) -> float | None:
    return total / count if count else None
