"""Draws the SIP messages of a call as a ladder: who said what to whom, and when."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from attrs import frozen

Message = Mapping[str, Any]
Trace = Mapping[str, Any]
"""As `GET /calls/{call}/sip` tells them."""


def draw(messages: Sequence[Message], left_out: int, language: Literal["en", "ru"]) -> list[str]:
    """The lines of the ladder. The far end that was first stands left of Tandem, the others right of it."""
    far_ends = list(dict.fromkeys(_far_end(message) for message in messages))
    columns = [*far_ends[:1], US, *far_ends[1:]]
    lines = [_row("", "".join(name[: WIDTH - 2].center(WIDTH) for name in columns))]
    for message in messages:
        rung = _Rung(columns.index(US), columns.index(_far_end(message)), message["received"])
        again = f"{AGAIN} " if message["repeated"] else ""
        when = f"{message['after_ms'] / 1000:9.3f} {SECONDS[language]}"
        lines.append(_row(when, rung.drawn(again + _label(message["text"]), len(columns))))
    if any(message["repeated"] for message in messages):
        lines.append(f"{AGAIN} {WORDS[language][0]}")
    if left_out:
        lines.append(WORDS[language][1].format(left_out))
    return lines


def shown(message: Message, language: Literal["en", "ru"]) -> list[str]:
    """One message in full, under a line that says which it is. What would move the cursor is left out."""
    ends = [message["remote"], message["local"]]
    source, target = ends if message["received"] else reversed(ends)
    when = f"{message['after_ms'] / 1000:.3f} {SECONDS[language]}"
    return [f"--- {when} {message['transport']} {source} > {target}", *_clean(message["text"]).splitlines()]


@frozen
class _Rung:
    """An arrow between our column and another one."""

    ours: int
    theirs: int
    is_received: bool

    def drawn(self, label: str, columns: int) -> str:
        """The line, with the other columns' poles."""
        low, high = sorted((self.ours, self.theirs))
        reach = (high - low) * WIDTH - 1
        points_right = (self.theirs < self.ours) == self.is_received
        shaft = f" {label[: reach - 6]} ".center(reach - 2, "─")
        arrow = f"─{shaft}▶" if points_right else f"◀{shaft}─"
        half = WIDTH // 2
        line = [" "] * (columns * WIDTH)
        for column in range(columns):
            line[column * WIDTH + half] = "│"
        line[low * WIDTH + half + 1 : high * WIDTH + half] = arrow
        return "".join(line)


def _row(when: str, drawn: str) -> str:
    return f"{when:>12}{drawn}".rstrip()


def _far_end(message: Message) -> str:
    return f"{message['transport']} {message['remote']}"


def _label(text: str) -> str:
    """Method, or status and reason; and whether it describes a session."""
    head, _, body = text.partition("\r\n\r\n")
    start = _clean(head.strip().partition("\n")[0])
    words = start.split(" ")
    label = " ".join(words[1:]) if start.startswith("SIP/") else words[0]
    return f"{label} (SDP)" if body.startswith("v=0") else label


def _clean(text: str) -> str:
    """Without what a terminal would obey: this comes from strangers."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text.replace("\r\n", "\n"))


US = "Tandem"
WIDTH = 28
AGAIN = "↻"
SECONDS = {"en": "s", "ru": "с"}
WORDS = {
    "en": ("sent again", "{} messages in the middle of a leg with very many were left out"),
    "ru": ("отправлено повторно", "Пропущено сообщений в середине слишком длинного диалога: {}"),
}
