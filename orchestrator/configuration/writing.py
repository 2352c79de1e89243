"""Words → documents: what `reading` reads back to the same words."""

from collections.abc import Mapping
from typing import Any

from attrs import fields

from orchestrator.configuration.document import Body, Configuration, Key
from orchestrator.configuration.spelling import write_numbers
from orchestrator.model.directory import (
    Announcement,
    Company,
    Destination,
    Device,
    Forwarding,
    IdentityHeader,
    Number,
    OutsideDevice,
    Person,
    Site,
    ToOutside,
    ToPerson,
    Trunk,
    TrunkHost,
)
from orchestrator.model.identifiers import E164, PersonId, SiteId, TrunkId
from orchestrator.model.outside import DEFAULT, ClassOfService


def documents_of(configuration: Configuration) -> dict[Key, Body]:
    """Every object, secrets included."""
    documents: dict[Key, Body] = {("company", configuration.company.id): write_company(configuration.company)}
    documents |= {("site", site.id): write_site(site) for site in configuration.sites.values()}
    documents |= {("trunk", trunk.id): write_trunk(trunk) for trunk in configuration.trunks.values()}
    documents |= {("person", person.id): write_person(person) for person in configuration.people.values()}
    documents |= {("number", n.number): write_number(n) for n in configuration.numbers.values()}
    return documents


def write_one(configuration: Configuration, key: Key) -> Body:
    """One object, secrets included. Raises `KeyError` for one that is not there."""
    kind, id = key
    match kind:
        case "company":
            return write_company(configuration.company)
        case "site":
            return write_site(configuration.sites[SiteId(id)])
        case "trunk":
            return write_trunk(configuration.trunks[TrunkId(id)])
        case "person":
            return write_person(configuration.people[PersonId(id)])
        case "number":
            return write_number(configuration.numbers[E164(id)])


def export(configuration: Configuration, *, secrets: bool = False) -> dict[str, Any]:
    """The company as one document, as `tandem apply` takes it."""
    whole = dict(write_company(configuration.company))
    whole["sites"] = [write_site(site) for site in configuration.sites.values()]
    whole["trunks"] = [write_trunk(trunk) for trunk in configuration.trunks.values()]
    whole["people"] = [write_person(person) for person in configuration.people.values()]
    whole["numbers"] = [write_number(number) for number in configuration.numbers.values()]
    return whole if secrets else dict(without_secrets(whole))


def without_secrets(body: Body) -> Body:
    """The same without HA1. A kept SHA-256 shows as `sha256: true`, so that putting it back changes nothing."""
    shown: dict[str, Any] = {}
    for key, value in body.items():
        if key == "ha1_sha256":
            if "kind" in body:
                shown["sha256"] = True
        elif key != "ha1_md5":
            shown[key] = _hide(value)
    return shown


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secrets(value)
    return [_hide(member) for member in value] if isinstance(value, list) else value


def write_company(company: Company) -> Body:
    """The keys that hold for the whole company."""
    body: dict[str, Any] = {
        "company": company.id,
        "name": company.name,
        "domain": company.domain,
        "language": company.language,
        "time_zone": company.time_zone,
        "country_code": company.country_code,
        "terminal": _destination(company.terminal),
        "emergency_numbers": list(company.emergency_numbers),
    }
    prefixes, services = company.outside_prefixes, company.classes_of_service
    outside = _given(
        trunk=company.outside_trunk,
        prefixes=None if prefixes is None else dict(prefixes),
        classes_of_service={name: _service(service) for name, service in services.items()} or None,
    )
    ceiling = _given(prefixes=None if company.ceiling.prefixes is None else list(company.ceiling.prefixes))
    return body | _given(outside=outside or None, ceiling=ceiling or None)


def _service(service: ClassOfService) -> Body:
    return {
        "may_call": list(service.may_call),
        "may_transfer": service.may_transfer,
        "may_forward": service.may_forward,
    }


def write_site(site: Site) -> Body:
    """An office."""
    return {"id": site.id, "name": site.name}


def write_trunk(trunk: Trunk) -> Body:
    """A link to a carrier."""
    return {
        "id": trunk.id,
        **_hosts(trunk),
        "transport": trunk.transport,
        "caller_number": trunk.caller_number,
        "sources": list(trunk.sources),
        "register": trunk.register,
        "early_media": trunk.early_media,
    } | _given(
        username=trunk.username,
        realm=trunk.realm,
        ha1_md5=trunk.ha1_md5,
        ha1_sha256=trunk.ha1_sha256,
        max_calls=trunk.max_calls,
        failover_s=trunk.failover_s if trunk.failover_s != _FAILOVER_S else None,
        health_s=trunk.health_s,
        shows=list(trunk.shows) or None,
        numbers=write_numbers(trunk.numbers),
        caller_name=trunk.caller_name or None,
        identity=None if trunk.identity is IdentityHeader.FROM else trunk.identity.value,
        trusted=None if trunk.trusted else False,
        forwarding=None if trunk.forwarding is Forwarding.DIVERSION else trunk.forwarding.value,
        codecs=list(trunk.codecs) or None,
    )


def _hosts(trunk: Trunk) -> Body:
    if len(trunk.hosts) == 1 and (trunk.hosts[0].priority, trunk.hosts[0].weight) == (0, 0):
        return {"host": trunk.hosts[0].host} | _given(port=trunk.hosts[0].port)
    return {"hosts": [_host(host) for host in trunk.hosts]}


def _host(host: TrunkHost) -> Body:
    return {"host": host.host} | _given(
        port=host.port, priority=host.priority or None, weight=host.weight or None
    )


def write_person(person: Person) -> Body:
    """Somebody with a short number and devices."""
    body: dict[str, Any] = {
        "id": person.id,
        "name": person.name,
        "extension": person.extension,
        "strategy": person.strategy.value,
        "devices": [_device(device) for device in person.devices],
        "do_not_disturb": person.do_not_disturb,
        "freelancer": person.freelancer,
    }
    if person.next_steps:
        body["next"] = {why.value: _destination(step) for why, step in person.next_steps.items()}
    return body | _given(
        call_limit=person.call_limit,
        site=person.site,
        role=person.role or None,
        time_zone=person.time_zone,
        caller_number=person.caller_number,
        class_of_service=None if person.class_of_service == DEFAULT else person.class_of_service,
    )


def write_number(number: Number) -> Body:
    """A public number and where it leads."""
    return {"number": number.number, "to": _destination(number.leads_to)}


def _device(device: Device) -> Body:
    body: dict[str, Any] = {"id": device.id, "kind": device.kind.value}
    if isinstance(device, OutsideDevice):
        body["number"] = device.number
    else:
        body["username"] = device.username
        body |= _given(ha1_md5=device.ha1_md5, ha1_sha256=device.ha1_sha256)
    return body | _given(label=device.label or None) | {"delay_s": device.delay_s, "ring_s": device.ring_s}


def _destination(destination: Destination) -> Body:
    match destination:
        case ToPerson():
            return {"person": destination.person}
        case ToOutside():
            return {"outside": destination.number}
        case Announcement(prompt=prompt, then=then):
            first = {"announcement": prompt}
            return first if then is None else {**first, "then": _destination(then)}


def _given(**values: object) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


_FAILOVER_S = fields(Trunk).failover_s.default
