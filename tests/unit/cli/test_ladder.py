"""How a call's SIP messages are drawn."""

from typing import Any

from orchestrator.cli.ladder import Message, draw, shown


def message(text: str, *, received: bool = True, remote: str = "192.0.2.1:5060", **more: Any) -> Message:
    told = {"after_ms": 0, "transport": "udp", "local": "192.0.2.9:5060", "repeated": False}
    return {**told, "text": text, "received": received, "remote": remote, **more}


INVITE = message("INVITE sip:102@x SIP/2.0\r\nTo: x\r\n\r\nv=0\r\n")
OUT = message("INVITE sip:boris@y SIP/2.0\r\n\r\n", received=False, remote="10.0.0.7:5070", after_ms=1234)
AGAIN = message("INVITE sip:boris@y SIP/2.0\r\n\r\n", received=False, remote="10.0.0.8:5070", repeated=True)
OK = message("SIP/2.0 200 OK\r\n\r\n", received=False)


def test_the_caller_stands_left_of_us_and_the_others_right() -> None:
    head, first, second, last = draw([INVITE, OUT, OK], 0, "en")
    assert head.split() == ["udp", "192.0.2.1:5060", "Tandem", "udp", "10.0.0.7:5070"]
    assert first.startswith("     0.000 s")
    assert "INVITE (SDP)" in first
    assert first.count("▶") == 1
    assert second.index("▶") > first.index("▶")
    assert second.startswith("     1.234 s")
    assert "◀" in last
    assert "200 OK" in last
    assert last.index("◀") < first.index("▶")
    poles = {i for line in (first, second, last) for i, c in enumerate(line) if c == "│"}
    assert len(poles) == 3, "poles stand straight"


def test_an_arrow_crosses_the_poles_between() -> None:
    line = draw([INVITE, OUT, AGAIN], 0, "en")[3]
    assert line.count("│") == 3
    assert "↻ INVITE" in line
    assert draw([INVITE, AGAIN], 7, "ru")[-2:] == [
        "↻ отправлено повторно",
        "Пропущено сообщений в середине слишком длинного диалога: 7",
    ]


def test_a_stranger_cannot_command_the_terminal() -> None:
    evil = message("INVITE\x1b[2Jx y SIP/2.0\r\nTo: \x9b31m\x07\r\n\r\n")
    told = draw([evil], 0, "en") + shown(evil, "en")
    assert not {c for line in told for c in line} & {"\x1b", "\x9b", "\x07", "\r"}
    assert shown(evil, "en")[0] == "--- 0.000 s udp 192.0.2.1:5060 > 192.0.2.9:5060"
    assert shown(OK, "en")[0].endswith("udp 192.0.2.9:5060 > 192.0.2.1:5060")
