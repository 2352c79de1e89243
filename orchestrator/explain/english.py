"""The sentences in English."""

from typing import Final, assert_never

from orchestrator.explain.names import Names
from orchestrator.model import journal as j
from orchestrator.model.calls import Direction, Diversion, EndCause, EndedBy, MediaQuality, Refusal
from orchestrator.model.directory import DeviceKind
from orchestrator.model.identifiers import PersonId
from orchestrator.model.outside import Bar, Barred


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
            return f"Nobody was found: the announcement “{prompt}” is due"
        case j.PromptUnheard(prompt=prompt, leg=leg):
            whose = names.of_leg(leg, KINDS) or "the far end"
            return f"The announcement “{prompt}” was not heard: {whose} speaks no G.711, or the file is gone"
        case j.OutsideBarred(barred=barred):
            return why_barred(barred, names)
        case j.EarlyMediaHeard(leg=leg):
            return f"Heard before the answer: what the carrier says for {names.of_leg(leg, KINDS) or 'the number'}"
        case j.LegFinished(leg=leg, by=by, status=status, media=media):
            whose = names.of_leg(leg, KINDS) or "a leg"
            return f"Connection with {whose} ended: {ENDED_BY[by]}, SIP {status}{_quality(media)}"
        case j.DeviceRegistered(device=device, source=source, transport=transport, user_agent=agent):
            with_agent = f", {agent}" if agent else ""
            return f"Device {device} is online: {source} over {transport.upper()}{with_agent}"
        case j.DeviceUnregistered(device=device, why=why):
            return f"Device {device} is offline: {why}"
        case j.ConfigurationChanged(by=by, changes=changes):
            return f"{by} changed the configuration: {'; '.join(changes)}"
        case j.CommandAccepted(kind=kind, by=by):
            return f"{by} gave the command “{kind}”"
        case j.CommandCompleted(kind=kind):
            return f"The command “{kind}” was carried out"
        case j.CommandFailed(kind=kind, code=code, detail=detail):
            return f"The command “{kind}” failed: {detail or code}"
        case _:
            assert_never(entry)


def _diverted(diverted: Diversion | None) -> str:
    if diverted is None:
        return ""
    times = f", {diverted.count} times" if diverted.count > 1 else ""
    return f"; forwarded from {diverted.number or 'an unknown number'} ({diverted.reason}{times})"


def _call(entry: j.CallArrived | j.CallRouted | j.CallAnswered | j.CallEnded, names: Names) -> str:
    match entry:
        case j.CallArrived(direction=direction, caller=who, called=called, command=command):
            caller = names.of_party(who, KINDS, "an unknown caller")
            if command is not None:
                return f"By command: {caller} is connected to {called}"
            trunk = f", trunk {who.trunk}" if who.trunk else ""
            return f"{DIRECTIONS[direction]}: {caller} calls {called}{trunk}{_diverted(entry.diverted)}"
        case j.CallRouted(to=to, because=because):
            why = ROUTED.get(because, because)
            return why if to == "nowhere" else f"{why}: {_destination(to, names)}"
        case j.CallAnswered(prompt=prompt) if prompt is not None:
            return f"The announcement “{prompt}” answers"
        case j.CallAnswered(answered_by=who, wait_ms=wait_ms):
            return f"Answered: {names.of_party(who, KINDS, 'the called party')}, after {_seconds(wait_ms)}"
        case j.CallEnded(cause=cause, wait_ms=wait_ms, talk_ms=talk_ms, status=status, detail=detail):
            answer = f", SIP {status}" if status else ""
            more = f" ({detail})" if detail else ""
            times = f"waited {_seconds(wait_ms)}, talked {_seconds(talk_ms)}"
            return f"The call is over: {CAUSES[cause]}{answer}{more}; {times}"
        case _:
            assert_never(entry)


def _transfer(entry: j.CallTransferred | j.TransferFailed | j.LegMoved, names: Names) -> str:
    match entry:
        case j.CallTransferred(to=to, command=command, by=by, attended=attended):
            whose = f" by the phone of {names.of_person(by)}" if by else " by command" if command else ""
            how = ", who has been asked before" if attended else ""
            return f"Transferred{whose} to {_destination(to, names)}{how}"
        case j.TransferFailed(to=to, because=because, status=status, by=by):
            who = names.of_person(by) if by else "The phone"
            why = NOT_TRANSFERRED.get(because, because)
            return f"{who} could not transfer to {to}: {why}; the phone was told SIP {status}"
        case j.LegMoved(leg=leg, into=into):
            return f"{names.of_leg(leg, KINDS) or 'One side'} goes on in call {into}"
        case _:
            assert_never(entry)


def _search(
    entry: j.DeviceSkipped | j.DeviceRang | j.DeviceFailed | j.PersonNotReached | j.LoopCut, names: Names
) -> str:
    match entry:
        case j.DeviceSkipped(person=person, device=device, because=because):
            which = names.of_device(device, KINDS)
            return f"{names.of_person(person)}: {which} {DEVICE_STATES[because]}, skipped without waiting"
        case j.DeviceRang(device=device, person=person, number=number):
            if person is None:
                return f"Ringing {number}"
            at = f" at {number}" if number else ""
            return f"{names.of_person(person)}: ringing {names.of_device(device, KINDS) or 'a device'}{at}"
        case j.DeviceFailed(device=device, person=person, because=because, leg=leg):
            who = names.of_leg(leg, KINDS) if person is None else f"{names.of_person(person)}:"
            which = names.of_device(device, KINDS) if person is not None else ""
            answer = _said(entry.status, entry.reason)
            return " ".join(filter(None, (who, which, DEVICE_STATES[because]))) + answer
        case j.PersonNotReached(person=person, because=because, next=following):
            state = PERSON_STATES[because]
            return f"{names.of_person(person)} {state}; next: {_destination(following, names)}"
        case j.LoopCut(person=person, chain=chain):
            path = " → ".join(names.of_person(p) for p in (*chain, person))
            return f"Forwarding went in a circle ({path}); the circle was cut"
        case _:
            assert_never(entry)


def why_barred(barred: Barred, names: Names) -> str:
    """Why a number outside was not called."""
    number = barred.number
    who = names.of_person(barred.by) if barred.by else "the company itself"
    match barred.because:
        case Bar.NO_TRUNK:
            return f"{number} was not called: the company has no trunk for calls outside"
        case Bar.OWN_NUMBER:
            return f"{number} was not called: it is the company's own, the call would go out and come back"
        case Bar.COST_CLASS:
            allowed = f"{', '.join(barred.may_call)} only" if barred.may_call else "nobody outside"
            return f"{number} is {barred.cost_class}; {who} may call {allowed}"
        case Bar.TRANSFER:
            return f"{number} was not called: {who} may not transfer calls outside"
        case Bar.FORWARD:
            return f"{number} was not called: {who} may not forward calls outside"
        case Bar.CEILING:
            return f"{number} is {barred.cost_class}; the operator of the exchange has not opened it to the company"


def _trunk(entry: j.TrunkServerTried | j.TrunkChanged | j.TrunkServerChanged) -> str:
    match entry:
        case j.TrunkServerTried(trunk=trunk, server=server, status=status, reason=reason, next=following):
            then = f"{following} is tried" if following else "there is no other"
            return f"Trunk {trunk}: {server} did not take the call{_said(status, reason)}; {then}"
        case j.TrunkChanged(trunk=trunk, registered=registered, status=status, reason=reason, server=server):
            state = "is registered" if registered else "is not registered"
            at = f" with {server}" if server else ""
            return f"Trunk {trunk} {state}{at}: {status} {reason}".rstrip()
        case j.TrunkServerChanged(trunk=trunk, server=server, answers=True):
            return f"Trunk {trunk}: {server} answers again"
        case j.TrunkServerChanged(trunk=trunk, server=server, status=status, reason=reason):
            return f"Trunk {trunk}: {server} does not answer{_said(status, reason)}"
        case _:
            assert_never(entry)


def _said(status: int, reason: str) -> str:
    words = f" ({reason})" if reason else ""
    return f", SIP {status}{words}" if status else words


def _destination(to: str, names: Names) -> str:
    kind, _, rest = to.partition(":")
    match kind:
        case "person":
            return names.of_person(PersonId(rest))
        case "announcement":
            return f"announcement “{rest}”"
        case "outside":
            return rest
        case "terminal":
            return "the closing announcement"
        case "nowhere":
            return "nowhere"
        case _:
            return to


def _quality(media: MediaQuality | None) -> str:
    if media is None or not media.codec:
        return ""
    mos = f", MOS {media.mos:.1f}" if media.mos is not None else ""
    return f"; {media.codec}{mos}, loss {media.loss_percent:.1f} %, jitter {media.jitter_ms:.1f} ms"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s"


KINDS: Final = {
    DeviceKind.DESK: "desk phone",
    DeviceKind.SOFTPHONE: "softphone",
    DeviceKind.MOBILE: "mobile",
    DeviceKind.HOME: "home phone",
}
DIRECTIONS: Final = {
    Direction.INTERNAL: "Internal call",
    Direction.INBOUND: "Call from outside",
    Direction.OUTBOUND: "Call to the outside",
}
ROUTED: Final = {
    "extension": "A short number",
    "number": "A number of the company",
    "emergency": "An emergency number",
    "outside": "A number outside",
    "unknown_number": "Nobody has this number",
    "not_allowed": "Calling this number is not allowed",
    "no_codec": "The caller offers no codec that may be spoken",
    "loop": "The call was forwarded too often: it goes round in circles",
    "transfer": "The transfer leads to",
}
NOT_TRANSFERRED: Final = {
    "unknown_number": "nobody has this number",
    "not_allowed": "calling this number is not allowed",
    "not_reached": "nobody answered there",
    "no_such_call": "the other call is over",
    "emergency": "there is no trunk for emergency calls",
}
DEVICE_STATES: Final = {
    Refusal.DO_NOT_DISTURB: "does not want to be disturbed",
    Refusal.OFFLINE: "is offline",
    Refusal.BUSY: "is busy",
    Refusal.DECLINED: "declined",
    Refusal.UNREACHABLE: "could not be reached",
    Refusal.NO_ANSWER: "did not answer",
}
PERSON_STATES: Final = {
    Refusal.DO_NOT_DISTURB: "does not want to be disturbed",
    Refusal.OFFLINE: "has no device online",
    Refusal.BUSY: "is busy",
    Refusal.DECLINED: "declined the call",
    Refusal.UNREACHABLE: "could not be reached",
    Refusal.NO_ANSWER: "did not answer",
}
ENDED_BY: Final = {
    EndedBy.PEER: "ended by that side",
    EndedBy.US: "ended by the exchange",
    EndedBy.DEADLINE: "no decision in time",
    EndedBy.TIMEOUT: "no answer from the network",
    EndedBy.MEDIA: "no sound came for too long",
    EndedBy.SHUTDOWN: "the exchange was stopped",
}
CAUSES: Final = {
    EndCause.CALLER_HUNG_UP: "the caller hung up",
    EndCause.CALLEE_HUNG_UP: "the called party hung up",
    EndCause.ABANDONED: "the caller left before anybody answered",
    EndCause.TERMINAL: "the closing announcement was played",
    EndCause.REFUSED: "turned away",
    EndCause.COMMAND: "ended by command",
    EndCause.TRANSFERRED: "its parties go on in another call",
    EndCause.MEDIA_LOST: "the sound was lost",
    EndCause.DECISION_LATE: "no decision in time",
    EndCause.NODE_FAILURE: "the exchange went down during the call",
    EndCause.NOT_REACHED: "nobody could be reached",
    EndCause.SHUTDOWN: "the exchange was stopped",
    EndCause.CRASHED: "an internal error",
}
