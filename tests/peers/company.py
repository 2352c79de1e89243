"""The company of these tests: a few people with known passwords, a trunk, a number or two."""

from typing import Any

from tests.peers.exchange import DOMAIN

DID_ANNA = "+74951230101"
DID_GREETING = "+74951230100"
MOBILE_OF_BORIS = "+79161230102"
TRUNK_ADDRESS = "127.0.0.2"


def company(*, trunk_port: int = 5090, **changes: Any) -> dict[str, Any]:
    """A document for `tandem apply`; `changes` replace whole people by id."""
    people = {
        "anna": person("anna", "101", [sip("anna-desk")]),
        "boris": person("boris", "102", [sip("boris-desk"), mobile("boris-mobile", MOBILE_OF_BORIS)]),
        "clara": person("clara", "103", [sip("clara-desk"), sip("clara-soft")], strategy="parallel"),
        "dmitri": person("dmitri", "104", [sip("dmitri-desk")]),
    }
    return {
        "company": "peers",
        "name": "Peers",
        "domain": DOMAIN,
        "language": "en",
        "time_zone": "Europe/Moscow",
        "country_code": "7",
        "terminal": {"announcement": "unavailable"},
        "outside": {"trunk": "carrier", "prefixes": ["+7"]},
        "trunks": [
            {"id": "carrier", "host": TRUNK_ADDRESS, "port": trunk_port, "caller_number": DID_GREETING}
        ],
        "people": list((people | changes).values()),
        "numbers": [
            {"number": DID_ANNA, "to": {"person": "anna"}},
            {"number": DID_GREETING, "to": {"announcement": "welcome", "then": {"person": "anna"}}},
        ],
    }


def person(name: str, extension: str, devices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """One of the company's people."""
    return {"id": name, "name": name.capitalize(), "extension": extension, "devices": devices, **more}


def sip(name: str, **more: Any) -> dict[str, Any]:
    """A phone that registers; its password is its name with a suffix."""
    return {"id": name, "kind": "desk", "password": password(name), "ring_s": 15, **more}


def mobile(name: str, number: str) -> dict[str, Any]:
    """A number behind the trunk."""
    return {"id": name, "kind": "mobile", "number": number, "ring_s": 15}


def password(name: str) -> str:
    """Of the phone with this name."""
    return f"{name}-secret"
