"""Media of many calls through Tandem's shard, beside a bare loop (the floor) and rtpengine (the rival).

All three stand ready with the same calls; one generator drives them in turn, round after round, so that whatever else
happens on the machine happens to all. CPU per packet is the CPU time of all threads of the relaying process over the
packets delivered.
"""

import json
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtests import machine
from loadtests.rtpengine import Rtpengine

PACKETS_PER_CALL_S = 100
MAX_CPU_VS_FLOOR = 1.3
MIN_SPEEDUP = 1.8


@dataclass
class Relay:
    """One of the relays, with what its rounds measured."""

    name: str
    process: subprocess.Popen[str]
    ports: list[int]
    cpu_us: list[float] = field(default_factory=list)
    rounds: list[dict[str, int]] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """Packets that the generator sent to it."""
        return sum(one["sent"] for one in self.rounds)

    @property
    def lost(self) -> int:
        """Packets that did not come back."""
        return sum(one["sent"] - one["received"] for one in self.rounds)

    def latency_us(self, percentile: str) -> float:
        """The median over the rounds."""
        return statistics.median(one[percentile] for one in self.rounds)


class Generator:
    """The far ends of all calls."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.ports = read_ports(process)

    def drive(self, relay: Relay, seconds: float, *, loss: float = 0, reorder: float = 0) -> dict[str, int]:
        """Send through one relay and return what the generator counted."""
        ports = " ".join(map(str, relay.ports))
        line = ask(self.process, f"run {seconds} {loss} {reorder} {ports}")
        result: dict[str, int] = json.loads(line)
        return result


def run(*, quick: bool) -> dict[str, object]:
    """Measure and return the figures."""
    programs = machine.build("tandem-loadgen")
    generator_core, relay_core = machine.two_cores()
    calls, rounds, seconds = (800, 4, 2.0) if quick else (1000, 12, 5.0)
    generating = machine.start([str(programs / "generate"), str(calls)], core=generator_core)
    processes = [generating]
    rival = None
    try:
        generator = Generator(generating)
        relays = []
        for name, program in (("tandem", "relay"), ("floor", "floor")):
            process = machine.start([str(programs / program)], core=relay_core)
            processes.append(process)
            ask_ports = "ports " + " ".join(map(str, generator.ports))
            write(process, ask_ports)
            relays.append(Relay(name, process, read_ports(process)))
        rival = Rtpengine.start(relay_core)
        if rival is not None:
            relays.append(Relay("rtpengine", rival.process, rival.add_calls(generator.ports)))
        measure(generator, relays, rounds, seconds)
        impaired = generator.drive(relays[0], seconds, loss=0.05, reorder=0.02)
    finally:
        for process in processes:
            machine.stop(process)
        if rival is not None:
            rival.stop()
    return report(calls, relays, impaired)


def measure(generator: Generator, relays: Sequence[Relay], rounds: int, seconds: float) -> None:
    """Drive the relays in turn; each warms up once, where rtpengine learns its peers."""
    for relay in relays:
        generator.drive(relay, 1.0)
    for number in range(rounds):
        # Every other round goes backwards, so that none always follows the same one.
        for relay in relays if number % 2 == 0 else reversed(relays):
            before = machine.cpu_ns(relay.process.pid)
            result = generator.drive(relay, seconds)
            spent_us = (machine.cpu_ns(relay.process.pid) - before) / 1000
            relay.cpu_us.append(spent_us / max(result["received"], 1))
            relay.rounds.append(result)


def report(calls: int, relays: Sequence[Relay], impaired: dict[str, int]) -> dict[str, object]:
    """Print the table and return the figures."""
    by_name = {relay.name: relay for relay in relays}
    tandem, floor, rival = by_name["tandem"], by_name["floor"], by_name.get("rtpengine")
    print(f"{calls} calls, 20 ms G.711 both ways, {machine.describe()}")
    print(
        f"{'relay':<12}{'µs/packet':>10}{'calls/core':>12}{'lost':>10}{'p50 µs':>9}{'p99 µs':>9}{'p99.9 µs':>10}"
    )
    for relay in relays:
        cpu_us = statistics.median(relay.cpu_us)
        print(
            f"{relay.name:<12}{cpu_us:>10.2f}{calls_per_core(cpu_us):>12}{relay.lost:>10}"
            f"{relay.latency_us('p50_us'):>9.0f}{relay.latency_us('p99_us'):>9.0f}{relay.latency_us('p999_us'):>10.0f}"
        )
    print(
        f"with 5 % loss and 2 % reordering before it, tandem delivered {impaired['received']} of {impaired['sent']}, "
        f"{impaired['overtaken']} of them overtaken"
    )
    cpu_us = statistics.median(tandem.cpu_us)
    cpu_vs_floor = ratio(tandem, floor)
    speedup = None if rival is None else ratio(rival, tandem)
    return {
        "test": "relay",
        "machine": machine.describe(),
        "calls": calls,
        "cpu_vs_floor": round(cpu_vs_floor, 3),
        "speedup_vs_rtpengine": None if speedup is None else round(speedup, 3),
        "calls_per_core": calls_per_core(cpu_us),
        "lost": tandem.lost,
        "sent": tandem.sent,
        "lost_impaired": impaired["sent"] - impaired["received"],
        "cpu_us_per_packet": round(cpu_us, 3),
        "latency_p50_us": tandem.latency_us("p50_us"),
        "latency_p99_us": tandem.latency_us("p99_us"),
        "latency_p999_us": tandem.latency_us("p999_us"),
        "floor_cpu_us_per_packet": round(statistics.median(floor.cpu_us), 3),
        "rtpengine_cpu_us_per_packet": None if rival is None else round(statistics.median(rival.cpu_us), 3),
        "passed": cpu_vs_floor <= MAX_CPU_VS_FLOOR and (speedup is None or speedup >= MIN_SPEEDUP),
    }


def ratio(one: Relay, other: Relay) -> float:
    """CPU per packet of one over the other: the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(one.cpu_us, other.cpu_us, strict=True))


def calls_per_core(cpu_us: float) -> int:
    """Calls whose packets cost one core, as the CPU time at this load extrapolates."""
    return round(1e6 / cpu_us / PACKETS_PER_CALL_S)


def read_ports(process: subprocess.Popen[str]) -> list[int]:
    """The ports that a program tells."""
    word, *ports = read(process).split()
    if word != "ports":
        raise RuntimeError("a program of the load test did not tell its ports")
    return [int(port) for port in ports]


def ask(process: subprocess.Popen[str], line: str) -> str:
    """A line to a program, and its answer."""
    write(process, line)
    return read(process)


def write(process: subprocess.Popen[str], line: str) -> None:
    """A line to a program."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def read(process: subprocess.Popen[str]) -> str:
    """A line from a program."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a program of the load test ended early")
    return line
