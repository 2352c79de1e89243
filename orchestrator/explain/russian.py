"""The sentences in Russian. Names stay in the nominative, so no name has to be declined."""

from typing import Final, assert_never

from orchestrator.explain.names import Names
from orchestrator.model import journal as j
from orchestrator.model.calls import Direction, Diversion, EndCause, EndedBy, MediaQuality, Refusal
from orchestrator.model.directory import DeviceKind
from orchestrator.model.identifiers import PersonId
from orchestrator.model.outside import Bar, Barred, CostClass


def say(entry: j.Entry, names: Names) -> str:
    """Tell one entry."""
    match entry:
        case j.CallArrived() | j.CallRouted() | j.CallAnswered() | j.CallEnded():
            return _call(entry, names)
        case j.CallTransferred() | j.TransferFailed() | j.LegMoved():
            return _transfer(entry, names)
        case j.DeviceSkipped() | j.DeviceRang() | j.DeviceFailed() | j.PersonNotReached() | j.LoopCut():
            return _search(entry, names)
        case j.TrunkServerTried() | j.TrunkChanged() | j.TrunkServerChanged():
            return _trunk(entry)
        case j.TerminalReached(prompt=prompt):
            return f"Никто не найден: далее объявление «{prompt}»"
        case j.PromptUnheard(prompt=prompt, leg=leg):
            whose = f" ({found})" if (found := names.of_leg(leg, KINDS)) else ""
            return f"Объявление «{prompt}» не прозвучало: эта сторона{whose} не знает G.711, или файла больше нет"
        case j.OutsideBarred(barred=barred):
            return _why_barred(barred, names)
        case j.EarlyMediaHeard(leg=leg):
            whose = f" ({found})" if (found := names.of_leg(leg, KINDS)) else ""
            return f"До ответа слышно, что передаёт оператор{whose}"
        case j.LegFinished(leg=leg, by=by, status=status, media=media):
            whose = f" ({found})" if (found := names.of_leg(leg, KINDS)) else ""
            return f"Соединение закрыто{whose}: {ENDED_BY[by]}, SIP {status}{_quality(media)}"
        case j.DeviceRegistered(device=device, source=source, transport=transport, user_agent=agent):
            with_agent = f", {agent}" if agent else ""
            return f"Устройство {device} в сети: {source} по {transport.upper()}{with_agent}"
        case j.DeviceUnregistered(device=device, why=why):
            return f"Устройство {device} не в сети: {GONE.get(why, why)}"
        case j.ConfigurationChanged(by=by, changes=changes):
            return f"Конфигурацию изменяет {by}: {'; '.join(changes)}"
        case j.CommandAccepted(kind=kind, by=by):
            return f"Команду «{COMMANDS.get(kind, kind)}» даёт {by}"
        case j.CommandCompleted(kind=kind):
            return f"Команда «{COMMANDS.get(kind, kind)}» выполнена"
        case j.CommandFailed(kind=kind, code=code, detail=detail):
            return f"Команда «{COMMANDS.get(kind, kind)}» не выполнена: {detail or code}"
        case _:
            assert_never(entry)


def _diverted(diverted: Diversion | None) -> str:
    if diverted is None:
        return ""
    reason = DIVERSIONS.get(diverted.reason, "причина неизвестна")
    times = f", переадресаций: {diverted.count}" if diverted.count > 1 else ""
    return f"; переадресовано с {diverted.number or 'неизвестного номера'} ({reason}{times})"


def _call(entry: j.CallArrived | j.CallRouted | j.CallAnswered | j.CallEnded, names: Names) -> str:
    match entry:
        case j.CallArrived(direction=direction, caller=who, called=called, command=command):
            caller = names.of_party(who, KINDS, "неизвестный номер")
            if command is not None:
                return f"По команде: {caller} соединяется с {called}"
            trunk = f", транк {who.trunk}" if who.trunk else ""
            return f"{DIRECTIONS[direction]}: {caller} звонит на {called}{trunk}{_diverted(entry.diverted)}"
        case j.CallRouted(to=to, because=because):
            why = ROUTED.get(because, because)
            return why if to == "nowhere" else f"{why}: {_destination(to, names)}"
        case j.CallAnswered(prompt=prompt) if prompt is not None:
            return f"Отвечает объявление «{prompt}»"
        case j.CallAnswered(answered_by=who, wait_ms=wait_ms):
            return f"Ответ: {names.of_party(who, KINDS, 'вызванная сторона')}, ожидание {_seconds(wait_ms)}"
        case j.CallEnded(cause=cause, wait_ms=wait_ms, talk_ms=talk_ms, status=status, detail=detail):
            answer = f", SIP {status}" if status else ""
            more = f" ({detail})" if detail else ""
            times = f"ожидание {_seconds(wait_ms)}, разговор {_seconds(talk_ms)}"
            return f"Вызов завершён: {CAUSES[cause]}{answer}{more}; {times}"
        case _:
            assert_never(entry)


def _transfer(entry: j.CallTransferred | j.TransferFailed | j.LegMoved, names: Names) -> str:
    match entry:
        case j.CallTransferred(to=to, command=command, by=by, attended=attended):
            whose = f" с телефона ({names.of_person(by)})" if by else " по команде" if command else ""
            how = " (после консультации)" if attended else ""
            return f"Перевод{whose}: {_destination(to, names)}{how}"
        case j.TransferFailed(to=to, because=because, status=status, by=by):
            whose = f" ({names.of_person(by)})" if by else ""
            why = NOT_TRANSFERRED.get(because, because)
            return f"Перевод с телефона{whose} на {to} не удался: {why}; телефону сообщено: SIP {status}"
        case j.LegMoved(leg=leg, into=into):
            whose = f" ({found})" if (found := names.of_leg(leg, KINDS)) else ""
            return f"Одна сторона{whose} продолжает разговор в вызове {into}"
        case _:
            assert_never(entry)


def _search(
    entry: j.DeviceSkipped | j.DeviceRang | j.DeviceFailed | j.PersonNotReached | j.LoopCut, names: Names
) -> str:
    match entry:
        case j.DeviceSkipped(person=person, device=device, because=because):
            which = names.of_device(device, KINDS)
            return f"{names.of_person(person)}: {which} {DEVICE_STATES[because]}, пропущен без ожидания"
        case j.DeviceRang(device=device, person=person, number=number):
            if person is None:
                return f"Вызывается {number}"
            at = f" ({number})" if number else ""
            return f"{names.of_person(person)}: звонит {names.of_device(device, KINDS) or 'устройство'}{at}"
        case j.DeviceFailed(device=device, person=person, because=because, leg=leg):
            who = names.of_leg(leg, KINDS) if person is None else f"{names.of_person(person)}:"
            which = names.of_device(device, KINDS) if person is not None else ""
            answer = _said(entry.status, entry.reason)
            return " ".join(filter(None, (who, which, DEVICE_STATES[because]))) + answer
        case j.PersonNotReached(person=person, because=because, next=following):
            state = PERSON_STATES[because]
            return f"{names.of_person(person)}: {state}; далее: {_destination(following, names)}"
        case j.LoopCut(person=person, chain=chain):
            path = " → ".join(names.of_person(p) for p in (*chain, person))
            return f"Переадресация пошла по кругу ({path}); круг разорван"
        case _:
            assert_never(entry)


def _why_barred(barred: Barred, names: Names) -> str:
    number, cost_class = barred.number, _cost_class(barred.cost_class)
    who = names.of_person(barred.by) if barred.by else "сама компания"
    match barred.because:
        case Bar.NO_TRUNK:
            return f"Номер {number} не вызван: у компании нет транка для внешних вызовов"
        case Bar.OWN_NUMBER:
            return f"Номер {number} не вызван: это номер самой компании, вызов вышел бы наружу и вернулся"
        case Bar.COST_CLASS:
            allowed = ", ".join(map(_cost_class, barred.may_call))
            permitted = f"разрешено только: {allowed}" if allowed else "внешние вызовы не разрешены"
            return f"Номер {number} — {cost_class}; {who}: {permitted}"
        case Bar.TRANSFER:
            return f"Номер {number} не вызван; {who}: переводить вызовы наружу не разрешено"
        case Bar.FORWARD:
            return f"Номер {number} не вызван; {who}: переадресовывать вызовы наружу не разрешено"
        case Bar.CEILING:
            return f"Номер {number} — {cost_class}; оператор станции не открыл его для компании"


def _cost_class(cost_class: CostClass) -> str:
    return COST_CLASSES.get(cost_class, cost_class)


def _trunk(entry: j.TrunkServerTried | j.TrunkChanged | j.TrunkServerChanged) -> str:
    match entry:
        case j.TrunkServerTried(trunk=trunk, server=server, status=status, reason=reason, next=following):
            then = f"следующий сервер: {following}" if following else "других серверов нет"
            return f"Транк {trunk}: вызов не принят сервером {server}{_said(status, reason)}; {then}"
        case j.TrunkChanged(trunk=trunk, registered=registered, status=status, reason=reason, server=server):
            state = "зарегистрирован" if registered else "не зарегистрирован"
            at = f", сервер {server}" if server else ""
            return f"Транк {trunk} {state}{at}: {status} {reason}".rstrip()
        case j.TrunkServerChanged(trunk=trunk, server=server, answers=True):
            return f"Транк {trunk}: сервер {server} снова отвечает"
        case j.TrunkServerChanged(trunk=trunk, server=server, status=status, reason=reason):
            return f"Транк {trunk}: сервер {server} не отвечает{_said(status, reason)}"
        case _:
            assert_never(entry)


def _said(status: int, reason: str) -> str:
    words = f" ({SAID.get(reason, reason)})" if reason else ""
    return f", SIP {status}{words}" if status else words


def _destination(to: str, names: Names) -> str:
    kind, _, rest = to.partition(":")
    match kind:
        case "person":
            return names.of_person(PersonId(rest))
        case "announcement":
            return f"объявление «{rest}»"
        case "outside":
            return rest
        case "terminal":
            return "завершающее объявление"
        case "nowhere":
            return "никуда"
        case _:
            return to


def _quality(media: MediaQuality | None) -> str:
    if media is None or not media.codec:
        return ""
    mos = f", MOS {_decimal(media.mos)}" if media.mos is not None else ""
    loss, jitter = _decimal(media.loss_percent), _decimal(media.jitter_ms)
    return f"; {media.codec}{mos}, потери {loss} %, джиттер {jitter} мс"


def _seconds(ms: int) -> str:
    return f"{_decimal(ms / 1000)} с"


def _decimal(value: float) -> str:
    return f"{value:.1f}".replace(".", ",")


KINDS: Final = {
    DeviceKind.DESK: "стационарный телефон",
    DeviceKind.SOFTPHONE: "программный телефон",
    DeviceKind.MOBILE: "мобильный телефон",
    DeviceKind.HOME: "домашний телефон",
}
DIRECTIONS: Final = {
    Direction.INTERNAL: "Внутренний вызов",
    Direction.INBOUND: "Вызов извне",
    Direction.OUTBOUND: "Вызов наружу",
}
ROUTED: Final = {
    "extension": "Короткий номер",
    "number": "Номер компании",
    "emergency": "Экстренный номер",
    "outside": "Внешний номер",
    "unknown_number": "Такого номера ни у кого нет",
    "not_allowed": "Звонить на этот номер не разрешено",
    "no_codec": "Звонящий не предлагает ни одного разрешённого кодека",
    "loop": "Вызов переадресован слишком много раз: он ходит по кругу",
    "transfer": "Перевод",
}
DIVERSIONS: Final = {
    "unconditional": "безусловно",
    "user-busy": "занято",
    "no-answer": "нет ответа",
    "unavailable": "недоступен",
    "deflection": "отклонено",
    "do-not-disturb": "не беспокоить",
    "follow-me": "следом за абонентом",
    "time-of-day": "по времени",
}
"""RFC 5806 §4.3."""
NOT_TRANSFERRED: Final = {
    "unknown_number": "такого номера нет",
    "not_allowed": "звонить на этот номер не разрешено",
    "not_reached": "там никто не ответил",
    "no_such_call": "второй вызов уже завершён",
    "emergency": "нет транка для экстренных вызовов",
}
DEVICE_STATES: Final = {
    Refusal.DO_NOT_DISTURB: "просит не беспокоить",
    Refusal.OFFLINE: "не в сети",
    Refusal.BUSY: "занят",
    Refusal.DECLINED: "отклонил вызов",
    Refusal.UNREACHABLE: "недоступен",
    Refusal.NO_ANSWER: "не ответил",
}
PERSON_STATES: Final = {
    Refusal.DO_NOT_DISTURB: "просьба не беспокоить",
    Refusal.OFFLINE: "ни одного устройства в сети",
    Refusal.BUSY: "занято",
    Refusal.DECLINED: "вызов отклонён",
    Refusal.UNREACHABLE: "связи нет",
    Refusal.NO_ANSWER: "нет ответа",
}
ENDED_BY: Final = {
    EndedBy.PEER: "трубку положила эта сторона",
    EndedBy.US: "закрыла станция",
    EndedBy.DEADLINE: "решение не принято вовремя",
    EndedBy.TIMEOUT: "сеть не ответила",
    EndedBy.MEDIA: "слишком долго не было звука",
    EndedBy.SHUTDOWN: "станция остановлена",
}
CAUSES: Final = {
    EndCause.CALLER_HUNG_UP: "звонивший положил трубку",
    EndCause.CALLEE_HUNG_UP: "вызванный положил трубку",
    EndCause.ABANDONED: "звонивший не дождался ответа",
    EndCause.TERMINAL: "прозвучало завершающее объявление",
    EndCause.REFUSED: "отказано",
    EndCause.COMMAND: "завершён по команде",
    EndCause.TRANSFERRED: "стороны продолжают разговор в другом вызове",
    EndCause.MEDIA_LOST: "пропал звук",
    EndCause.DECISION_LATE: "решение не принято вовремя",
    EndCause.NODE_FAILURE: "станция остановилась во время вызова",
    EndCause.NOT_REACHED: "никого найти не удалось",
    EndCause.SHUTDOWN: "станция остановлена",
    EndCause.CRASHED: "внутренняя ошибка",
}
COST_CLASSES: Final = {
    "national": "по стране",
    "foreign": "за границу",
    "premium": "платный",
    "satellite": "спутниковый",
}
GONE: Final = {
    "unregistered": "снял регистрацию",
    "expired": "регистрация истекла",
    "removed": "удалён из конфигурации",
}
COMMANDS: Final = {
    "originate": "позвонить",
    "hang_up": "завершить",
    "hangup": "завершить",
    "transfer": "перевести",
}
SAID: Final = {
    "no answer from the network": "сеть не ответила",
    "no connection": "нет соединения",
    "the trunk's host has no address": "у имени транка нет адреса",
    "nothing listens for this transport": "станция не слушает этот транспорт",
    "not reachable over TLS, as sips: demands": "недоступен по TLS, которого требует sips:",
    "the trunk is full": "все линии транка заняты",
}
"""Words of the exchange; what a carrier says stays as it is."""
