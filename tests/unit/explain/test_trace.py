"""Every entry can be told in both languages, and a whole call reads as a story."""

import re
import typing
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.explain import LANGUAGES, Names, english, russian, say, trace
from orchestrator.model import journal as j
from orchestrator.model.calls import Direction, EndCause, EndedBy, MediaQuality, Refusal, Who
from orchestrator.model.directory import Device, DeviceKind, OutsideDevice, Person, SipDevice
from orchestrator.model.identifiers import (
    E164,
    CallId,
    CommandId,
    CompanyId,
    DeviceId,
    ExtensionNumber,
    LegId,
    PersonId,
    PromptName,
    TrunkId,
)
from orchestrator.model.outside import NATIONAL, SATELLITE, Bar, Barred

DESK = SipDevice(DeviceId("anna-desk"), DeviceKind.DESK, "anna-desk", "0" * 32)
MOBILE = OutsideDevice(DeviceId("anna-mobile"), DeviceKind.MOBILE, E164("+79161234567"))
ANNA = Person(PersonId("anna"), "Анна Иванова", ExtensionNumber("101"), (DESK, MOBILE))
DEVICES: dict[DeviceId, Device] = {DESK.id: DESK, MOBILE.id: MOBILE}
NAMES = Names({ANNA.id: ANNA}.get, DEVICES.get)
CALL = CallId("c")
START = datetime(2026, 11, 24, 10, tzinfo=UTC)


def told(entries: list[j.Entry], language: typing.Literal["en", "ru"]) -> list[str]:
    records = [
        j.Record(CompanyId("demo"), 7 + i, START + timedelta(seconds=i), e) for i, e in enumerate(entries)
    ]
    sentences = trace(records, NAMES, language)
    assert [s.number for s in sentences] == list(range(1, len(entries) + 1))
    assert [s.after_s for s in sentences] == [float(i) for i in range(len(entries))]
    return [s.text for s in sentences]


STORY: list[j.Entry] = [
    j.CallArrived(
        CALL,
        LegId(1),
        Direction.INBOUND,
        Who(trunk=TrunkId("carrier"), number="+74950000000"),
        "+74951234501",
    ),
    j.CallRouted(CALL, "person:anna", "number", ANNA.id),
    j.DeviceSkipped(CALL, ANNA.id, DESK.id, Refusal.OFFLINE),
    j.DeviceRang(CALL, LegId(2), MOBILE.id, ANNA.id, "+79161234567"),
    j.CallAnswered(CALL, LegId(2), Who(ANNA.id, MOBILE.id), 4200),
    j.LegFinished(
        CALL, LegId(2), EndedBy.PEER, 200, "", MediaQuality("PCMA", 1, 1, 0, 0.0, 1.25, None, 4.21)
    ),
    j.CallEnded(CALL, EndCause.CALLEE_HUNG_UP, 4200, 61000),
]


def test_a_call_reads_as_a_story_in_russian() -> None:
    assert told(STORY, "ru") == [
        "Вызов извне: +74950000000 звонит на +74951234501, транк carrier",
        "Номер компании: Анна Иванова (101)",
        "Анна Иванова (101): стационарный телефон не в сети, пропущен без ожидания",
        "Анна Иванова (101): звонит мобильный телефон (+79161234567)",
        "Ответ: Анна Иванова (101), мобильный телефон, ожидание 4,2 с",
        "Соединение закрыто (Анна Иванова (101), мобильный телефон): трубку положила эта сторона, SIP 200; "
        "PCMA, MOS 4,2, потери 0,0 %, джиттер 1,2 мс",
        "Вызов завершён: вызванный положил трубку; ожидание 4,2 с, разговор 61,0 с",
    ]


def test_a_call_reads_as_a_story_in_english() -> None:
    assert told(STORY, "en") == [
        "Call from outside: +74950000000 calls +74951234501, trunk carrier",
        "A number of the company: Анна Иванова (101)",
        "Анна Иванова (101): desk phone is offline, skipped without waiting",
        "Анна Иванова (101): ringing mobile at +79161234567",
        "Answered: Анна Иванова (101), mobile, after 4.2 s",
        "Connection with Анна Иванова (101), mobile ended: ended by that side, SIP 200; "
        "PCMA, MOS 4.2, loss 0.0 %, jitter 1.2 ms",
        "The call is over: the called party hung up; waited 4.2 s, talked 61.0 s",
    ]


QUALITY = st.none() | st.builds(
    MediaQuality,
    codec=st.sampled_from(["", "PCMA", "opus"]),
    loss_percent=st.floats(0, 100),
    jitter_ms=st.floats(0, 1000),
    mos=st.none() | st.floats(1, 4.5),
)
PLACES = st.sampled_from(["person:anna", "outside:+7", "announcement:x", "nowhere", "terminal", "else"])
SPECIAL = {"media": QUALITY, "to": PLACES, "next": PLACES}


def any_entry() -> st.SearchStrategy[j.Entry]:
    kinds: tuple[type[j.Entry], ...] = typing.get_args(j.Entry)

    def build(kind: type[j.Entry]) -> st.SearchStrategy[j.Entry]:
        given = {a.name: SPECIAL[a.name] for a in msgspec.structs.fields(kind) if a.name in SPECIAL}
        reason = {"because": st.text(min_size=1)} if kind is j.CallRouted else {}
        return st.builds(kind, **given, **reason)

    return st.sampled_from(kinds).flatmap(build)


@given(entry=any_entry(), language=st.sampled_from(["en", "ru"]))
def test_every_entry_can_be_told(entry: j.Entry, language: typing.Literal["en", "ru"]) -> None:
    assert say(entry, NAMES, language)


@pytest.mark.parametrize("kind", typing.get_args(j.Entry))
def test_every_kind_of_entry_is_told_in_russian_letters(kind: type) -> None:
    example = next(e for e in (*STORY, *OTHERS) if isinstance(e, kind))
    assert re.search("[а-яё]", say(example, Names(), "ru"))
    assert not re.search("[а-яё]", say(example, Names(), "en"))


OTHERS: list[j.Entry] = [
    j.DeviceFailed(CALL, LegId(2), DESK.id, ANNA.id, Refusal.BUSY, 486),
    j.PersonNotReached(CALL, ANNA.id, Refusal.NO_ANSWER, "terminal"),
    j.LoopCut(CALL, ANNA.id, (ANNA.id, PersonId("boris"))),
    j.OutsideBarred(CALL, Barred("+88213001234", Bar.COST_CLASS, SATELLITE, ANNA.id, (NATIONAL,))),
    j.TerminalReached(CALL, PromptName("unavailable")),
    j.PromptUnheard(CALL, LegId(2), PromptName("unavailable")),
    j.EarlyMediaHeard(CALL, LegId(2)),
    j.CallTransferred(CALL, LegId(2), "person:boris", CommandId("x")),
    j.TransferFailed(CALL, LegId(2), "102", "not_reached", 480, ANNA.id),
    j.LegMoved(CALL, LegId(2), CallId("other")),
    j.DeviceRegistered(DESK.id, "192.0.2.1:5060", "udp", "baresip"),
    j.DeviceUnregistered(DESK.id, "expired"),
    j.TrunkChanged(TrunkId("carrier"), False, 403, "Forbidden"),
    j.TrunkServerChanged(TrunkId("carrier"), "a.example (192.0.2.1:5060)", False, 408, "no answer"),
    j.TrunkServerTried(CALL, LegId(2), TrunkId("carrier"), "192.0.2.1:5060", 503, "Full"),
    j.ConfigurationChanged("admin", ("person anna: extension 101 → 111",)),
    j.CommandAccepted(CommandId("x"), "transfer", "crm"),
    j.CommandCompleted(CommandId("x"), "transfer"),
    j.CommandFailed(CommandId("x"), "transfer", "not_found", ""),
]


def test_both_languages_know_every_word() -> None:
    for table in ("KINDS", "DIRECTIONS", "ROUTED", "DEVICE_STATES", "PERSON_STATES", "ENDED_BY", "CAUSES"):
        assert set(getattr(english, table)) == set(getattr(russian, table))
    for table, words in {
        "DEVICE_STATES": Refusal,
        "CAUSES": EndCause,
        "ENDED_BY": EndedBy,
        "KINDS": DeviceKind,
    }.items():
        assert set(getattr(english, table)) == set(words)
    assert set(LANGUAGES) == {"en", "ru"}


@pytest.mark.parametrize(
    ("because", "english_words", "russian_words"),
    [
        (
            Bar.COST_CLASS,
            "+882130 is satellite; Анна Иванова (101) may call national only",
            "Номер +882130 — спутниковый; Анна Иванова (101): разрешено только: по стране",
        ),
        (
            Bar.TRANSFER,
            "+882130 was not called: Анна Иванова (101) may not transfer calls outside",
            "Номер +882130 не вызван; Анна Иванова (101): переводить вызовы наружу не разрешено",
        ),
        (
            Bar.CEILING,
            "+882130 is satellite; the operator of the exchange has not opened it to the company",
            "Номер +882130 — спутниковый; оператор станции не открыл его для компании",
        ),
    ],
)
def test_it_is_said_who_may_not_call_what(because: Bar, english_words: str, russian_words: str) -> None:
    entry = j.OutsideBarred(CALL, Barred("+882130", because, SATELLITE, ANNA.id, (NATIONAL,)))
    assert say(entry, NAMES, "en") == english_words
    assert say(entry, NAMES, "ru") == russian_words


@given(barred=st.builds(Barred))
def test_every_bar_is_said(barred: Barred) -> None:
    for language in LANGUAGES:
        assert barred.number in say(j.OutsideBarred(CALL, barred), NAMES, language)


@pytest.mark.parametrize(
    ("entry", "english_words", "russian_words"),
    [
        (
            j.TrunkServerTried(
                CALL,
                LegId(2),
                TrunkId("carrier"),
                "a.example (192.0.2.1:5060)",
                408,
                "no answer from the network",
                "B",
            ),
            "Trunk carrier: a.example (192.0.2.1:5060) did not take the call, SIP 408 (no answer from the network); "
            "B is tried",
            "Транк carrier: вызов не принят сервером a.example (192.0.2.1:5060), SIP 408 (сеть не ответила); "
            "следующий сервер: B",
        ),
        (
            j.TrunkServerTried(CALL, LegId(2), TrunkId("carrier"), "B", 503, "Full"),
            "Trunk carrier: B did not take the call, SIP 503 (Full); there is no other",
            "Транк carrier: вызов не принят сервером B, SIP 503 (Full); других серверов нет",
        ),
        (
            j.DeviceFailed(
                CALL, LegId(2), None, None, Refusal.UNREACHABLE, 503, "the trunk's host has no address"
            ),
            "could not be reached, SIP 503 (the trunk's host has no address)",
            "недоступен, SIP 503 (у имени транка нет адреса)",
        ),
        (
            j.TrunkServerChanged(TrunkId("carrier"), "B", False, 503, "no connection"),
            "Trunk carrier: B does not answer, SIP 503 (no connection)",
            "Транк carrier: сервер B не отвечает, SIP 503 (нет соединения)",
        ),
        (
            j.TrunkServerChanged(TrunkId("carrier"), "B", True),
            "Trunk carrier: B answers again",
            "Транк carrier: сервер B снова отвечает",
        ),
        (
            j.TrunkChanged(TrunkId("carrier"), True, 200, "OK", "B"),
            "Trunk carrier is registered with B: 200 OK",
            "Транк carrier зарегистрирован, сервер B: 200 OK",
        ),
    ],
)
def test_what_became_of_a_trunks_servers(entry: j.Entry, english_words: str, russian_words: str) -> None:
    assert (say(entry, Names(), "en"), say(entry, Names(), "ru")) == (english_words, russian_words)
