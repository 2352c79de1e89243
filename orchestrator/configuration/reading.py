"""Documents → words. Reads what each object says by itself; `checks` looks at how they fit together."""

import re
from collections.abc import Mapping

from attrs import evolve, field, frozen

from orchestrator.configuration.codecs import read_codecs
from orchestrator.configuration.digest import Secret, secret_of
from orchestrator.configuration.document import Configuration
from orchestrator.configuration.fields import Fields, Pattern, Problems
from orchestrator.configuration.origins import network_of
from orchestrator.configuration.outside import read_ceiling, read_outside
from orchestrator.configuration.spelling import read_numbers
from orchestrator.model.calls import Refusal
from orchestrator.model.directory import (
    Announcement,
    Company,
    Destination,
    Device,
    DeviceKind,
    Forwarding,
    IdentityHeader,
    Number,
    OutsideDevice,
    Person,
    RingStrategy,
    SipDevice,
    Site,
    ToOutside,
    ToPerson,
    Trunk,
    TrunkHost,
)
from orchestrator.model.identifiers import (
    E164,
    CompanyId,
    DeviceId,
    ExtensionNumber,
    PersonId,
    PromptName,
    SiteId,
    TrunkId,
)
from orchestrator.model.outside import DEFAULT


@frozen
class Secrets:
    """The secrets that are kept already, by device or trunk: whoever gives no password keeps the one there is."""

    devices: Mapping[DeviceId, tuple[str, str, Secret]] = field(factory=dict)
    """Device → (username, realm, secret): of use only while neither of the first two changes."""
    trunks: Mapping[TrunkId, tuple[str, str, Secret]] = field(factory=dict)


def secrets_of(kept: Configuration | None) -> Secrets:
    """What a configuration knows."""
    if kept is None:
        return Secrets()
    realm = kept.company.domain
    return Secrets(
        {
            device.id: (device.username, realm, Secret(device.ha1_md5, device.ha1_sha256))
            for person in kept.people.values()
            for device in person.devices
            if isinstance(device, SipDevice)
        },
        {
            trunk.id: (trunk.username or "", trunk.realm or "", Secret(trunk.ha1_md5, trunk.ha1_sha256))
            for trunk in kept.trunks.values()
            if trunk.ha1_md5 is not None
        },
    )


def read_company(fields: Fields) -> Company:
    """The keys that hold for the whole company."""
    outside = read_outside(fields.inner("outside"))
    terminal = fields.parse("terminal", lambda value, path: _destination(value, path, fields.problems))
    if not isinstance(terminal, Announcement) or terminal.then is not None:
        what = "must be an announcement without `then`" if fields.has("terminal") else "missing"
        hint = "it is what a caller hears who reaches nobody, such as {announcement: unavailable}"
        fields.wrong("terminal", f"{what}; {hint}")
        terminal = Announcement(PromptName(""))
    return Company(
        id=CompanyId(fields.text("company", like=ID)),
        name=fields.text("name"),
        domain=fields.text("domain", like=HOST).lower(),
        terminal=terminal,
        language=fields.choice("language", {"en": "en", "ru": "ru"}, "en"),
        time_zone=fields.text("time_zone", "UTC"),
        country_code=fields.text("country_code", "7", like=COUNTRY_CODE),
        outside_trunk=outside.trunk,
        outside_prefixes=outside.prefixes,
        classes_of_service=outside.services,
        ceiling=read_ceiling(fields.inner("ceiling")),
        emergency_numbers=fields.texts("emergency_numbers", ("112",), like=DIGITS, most=20),
    )


def read_site(fields: Fields) -> Site:
    """An office."""
    return Site(SiteId(fields.text("id", like=ID)), fields.text("name"))


def read_trunk(fields: Fields, secrets: Secrets) -> Trunk:
    """A link to a carrier. `realm` is pinned: HA1 is bound to it."""
    id = TrunkId(fields.text("id", like=ID))
    register = fields.flag("register")
    username = fields.optional_text("username", like=USERNAME)
    realm = fields.optional_text("realm")
    kept = secrets.trunks.get(id) if username else None
    sha256 = kept is None or kept[2].sha256 is not None or fields.has("password")
    secret = _secret(fields, username or "", realm or "", kept, sha256=sha256, own=False)
    if register and not (username and realm and secret):
        fields.wrong("register", "needs username, realm and password")
    if secret and not (username and realm):
        fields.wrong("password", "needs username and realm")
    sources = fields.texts("sources")
    for place, source in enumerate(sources):
        network = network_of(source)
        if network is None:
            fields.wrong(f"sources[{place}]", f"must be an address or a network, not {source!r}")
        elif network.prefixlen < _PREFIX_MIN[network.version]:
            least = _PREFIX_MIN[network.version]
            fields.wrong(f"sources[{place}]", f"{source} is half the world: /{least} is the widest network")
    transport = fields.choice("transport", {"udp": "udp", "tcp": "tcp", "tls": "tls"}, "udp")
    hosts = _hosts(fields)
    health_s = fields.seconds("health_s", 30.0, 5.0, 3_600.0) if fields.has("health_s") else None
    return Trunk(
        id=id,
        hosts=hosts,
        caller_number=E164(fields.text("caller_number", like=PUBLIC)),
        shows=fields.texts("shows", like=SHOWN),
        failover_s=fields.seconds("failover_s", 4.0, 1.0, 30.0),
        health_s=health_s,
        transport=transport,
        sources=sources,
        register=register,
        username=username,
        realm=realm,
        ha1_md5=secret.md5 if secret else None,
        ha1_sha256=secret.sha256 if secret else None,
        max_calls=fields.optional_whole("max_calls", 1, 100_000),
        early_media=fields.flag("early_media", True),
        numbers=read_numbers(fields.inner("numbers")),
        caller_name=fields.text("caller_name", "", longest=64),
        identity=fields.choice("identity", {header.value: header for header in IdentityHeader}, "from"),
        trusted=fields.flag("trusted", True),
        forwarding=fields.choice("forwarding", {told.value: told for told in Forwarding}, "diversion"),
        codecs=read_codecs(fields, fields.texts("codecs")),
    )


def _hosts(fields: Fields) -> tuple[TrunkHost, ...]:
    """Where a trunk is: its `host` alone, or several."""
    if not fields.has("hosts"):
        return (_host(fields),)
    found: list[TrunkHost] = []
    for path, value in fields.items("hosts", HOSTS_MAX) or ():
        inner = Fields(value, path, fields.problems)
        rank = inner.whole("priority", 0, 0, 65_535), inner.whole("weight", 0, 0, 65_535)
        one = evolve(_host(inner), priority=rank[0], weight=rank[1])
        inner.finish()
        if any((one.host.lower(), one.port) == (other.host.lower(), other.port) for other in found):
            inner.wrong("host", f"{one.text} is given twice")
        found.append(one)
    for key in ("host", "port"):
        if fields.has(key):
            fields.wrong(key, "stands in hosts")
            fields.skip(key)
    if not found:
        fields.wrong("hosts", "name at least one, such as {host: sip.carrier.example}")
    return tuple(found) or (TrunkHost(""),)


def _host(fields: Fields) -> TrunkHost:
    host = fields.text("host")
    if host and (wrong := _wrong_with(host)):
        fields.wrong("host", wrong)
    return TrunkHost(host, fields.optional_whole("port", 1, 65_535))


def _wrong_with(host: str) -> str:
    """Why a host is none; "" if it is one."""
    name, colon, port = host.rpartition(":")
    if network_of(host) is None and ":" not in name and colon and port.isdecimal():
        return f"is a host with its port: write host: {name}, port: {port}"
    if not HOST.fits(host) or (":" in host and network_of(host) is None):
        return f"must be {HOST.words}, not {host!r}"
    if network_of(host) is None and _NUMERIC.search(host):
        return f"{host} is no address; write all four numbers of it, or a name"
    return ""


def read_person(fields: Fields, realm: str, secrets: Secrets) -> Person:
    """Somebody with a short number and devices."""
    devices = tuple(
        _device(Fields(value, path, fields.problems), realm, secrets)
        for path, value in fields.items("devices", 10) or ()
    )
    steps = fields.inner("next")
    next_steps: dict[Refusal, Destination] = {}
    if steps:
        for refusal in Refusal:
            step = steps.parse(refusal.value, lambda value, path: _destination(value, path, fields.problems))
            if step is not None:
                next_steps[refusal] = step
        steps.finish()
    site = fields.optional_text("site", like=ID)
    return Person(
        id=PersonId(fields.text("id", like=ID)),
        name=fields.text("name"),
        extension=ExtensionNumber(fields.text("extension", like=EXTENSION)),
        devices=devices,
        strategy=fields.choice("strategy", {s.value: s for s in RingStrategy}, "serial"),
        next_steps=next_steps,
        do_not_disturb=fields.flag("do_not_disturb"),
        call_limit=fields.optional_whole("call_limit", 1, 1000),
        site=SiteId(site) if site else None,
        role=fields.text("role", ""),
        freelancer=fields.flag("freelancer"),
        time_zone=fields.optional_text("time_zone"),
        class_of_service=fields.text("class_of_service", DEFAULT, like=ID),
        caller_number=E164(shown) if (shown := fields.optional_text("caller_number", like=PUBLIC)) else None,
    )


def read_number(fields: Fields) -> Number:
    """A public number and where it leads."""
    number = E164(fields.text("number", like=PUBLIC))
    leads_to = fields.parse("to", lambda value, path: _destination(value, path, fields.problems))
    if leads_to is None:
        if not fields.has("to"):
            fields.wrong("to", "missing")
        leads_to = ToOutside(number)
    return Number(number, leads_to)


def _device(fields: Fields, realm: str, secrets: Secrets) -> Device:
    id = DeviceId(fields.text("id", like=ID))
    kind = fields.choice("kind", {kind.value: kind for kind in DeviceKind})
    label = fields.text("label", "")
    delay_s = fields.seconds("delay_s", 0.0, 0.0, 300.0)
    device: Device
    if fields.has("number"):
        number = E164(fields.text("number", like=PUBLIC))
        ring_s = fields.seconds("ring_s", 25.0, 1.0, RING_MAX_S)
        device = OutsideDevice(id, kind, number, label, delay_s, ring_s)
    else:
        username = fields.text("username", id or "?", like=USERNAME)
        sha256 = fields.flag("sha256")
        secret = _secret(fields, username, realm, secrets.devices.get(id), sha256=sha256, own=True)
        if secret is None:
            fields.wrong("password", "missing (or a number, for a device outside)")
            secret = Secret("")
        ring_s = fields.seconds("ring_s", 20.0, 1.0, RING_MAX_S)
        device = SipDevice(id, kind, username, secret.md5, secret.sha256, label, delay_s, ring_s)
    fields.finish()
    return device


def _secret(
    fields: Fields,
    username: str,
    realm: str,
    kept: tuple[str, str, Secret] | None,
    *,
    sha256: bool,
    own: bool,
) -> Secret | None:
    """The secret given as password or as HA1, else the kept one; None where there is neither."""
    password = fields.optional_text("password")
    ha1_md5 = fields.optional_text("ha1_md5", like=MD5)
    ha1_sha256 = fields.optional_text("ha1_sha256", like=SHA256)
    if password is not None:
        if wrong := _weakness(password, own=own):
            fields.wrong("password", wrong)
        if ha1_md5 or ha1_sha256:
            fields.wrong("password", "give either password or ha1_md5, not both")
        return secret_of(username, realm, password, sha256=sha256)
    if ha1_md5 is not None:
        secret = Secret(ha1_md5, ha1_sha256)
        if kept is not None and kept[2].md5 == ha1_md5 and kept[:2] != (username, realm):
            fields.wrong("ha1_md5", "was made for another username or domain: give the password anew")
        return secret
    if ha1_sha256 is not None:
        fields.wrong("ha1_sha256", "needs ha1_md5 beside it")
    if kept is None:
        return None
    if kept[:2] != (username, realm):
        fields.wrong("password", "must be given anew when the username or the domain changes")
    if sha256 and kept[2].sha256 is None:
        fields.wrong("sha256", "needs the password")
    return Secret(kept[2].md5, kept[2].sha256 if sha256 else None)


def _weakness(password: str, *, own: bool) -> str | None:
    """What is wrong with a password; one that is not our own choice, but a carrier's, may be weak."""
    if not any(character.isalnum() for character in password):
        return f"is a placeholder: {password!r}" if password else "is empty"
    if own and (len(password) < _PASSWORD_MIN or len(set(password)) < _DIFFERENT_MIN):
        return f"must have {_PASSWORD_MIN} characters or more, {_DIFFERENT_MIN} of them different"
    return None


def _destination(value: object, path: str, problems: Problems, depth: int = 0) -> Destination | None:
    fields = Fields(value, path, problems)
    if depth > _THEN_DEPTH_MAX:
        problems.add(path, f"announcements may follow each other {_THEN_DEPTH_MAX} times at most")
        return None
    person = fields.optional_text("person", like=ID)
    outside = fields.optional_text("outside", like=PUBLIC)
    prompt = fields.optional_text("announcement", like=ID)
    after = fields.parse("then", lambda v, p: _destination(v, p, problems, depth + 1)) if prompt else None
    fields.finish()
    given = [name for name in (person, outside, prompt) if name is not None]
    if len(given) != 1:
        problems.add(path, "must have exactly one of person, outside, announcement")
        return None
    if person is not None:
        return ToPerson(PersonId(person))
    if outside is not None:
        return ToOutside(E164(outside))
    return Announcement(PromptName(given[0]), after)


HOSTS_MAX = 16
_THEN_DEPTH_MAX = 5
_PASSWORD_MIN = 8
_DIFFERENT_MIN = 4
"""Phones are tried from all over the internet, and short passwords are found within hours."""

_PREFIX_MIN = {4: 8, 6: 16}
"""Bits of the widest network by IP version."""

_NUMERIC = re.compile(r"(^|\.)(0[xX][0-9A-Fa-f]*|[0-9]+)$")
"""Ends as an address does; resolvers read 127.2 and 0x7f.2 as addresses too."""

RING_MAX_S = 300.0
"""The engine lets nobody ring for longer than 330 s (timer C)."""

ID = Pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "letters, digits, - and _")
HOST = Pattern(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}", "a host name or address")
USERNAME = Pattern(r"[A-Za-z0-9_.+~-]{1,64}", "letters, digits and _.+~-")
PUBLIC = Pattern(r"\+[1-9][0-9]{4,14}", 'a public number in quotes, such as "+74951234567"')
SHOWN = Pattern(r"\+[1-9][0-9]{3,14}", 'the beginning of public numbers in quotes, such as "+7495123"')
EXTENSION = Pattern(r"[0-9]{2,6}", "2 to 6 digits")
DIGITS = Pattern(r"[0-9]{2,6}", "2 to 6 digits")
COUNTRY_CODE = Pattern(r"[1-9][0-9]{0,2}", "1 to 3 digits")
MD5 = Pattern(r"[0-9a-f]{32}", "32 hexadecimal digits")
SHA256 = Pattern(r"[0-9a-f]{64}", "64 hexadecimal digits")
