"""A line of `curl` for each operation, which works as pasted; in the OpenAPI document as `x-codeSamples`.

`$TANDEM_KEY` is an API key and `$TANDEM_URL` where the exchange is. What only an answer can tell is a variable as
well: `$CALL`, `$COMMAND`, `$KEY_ID`, `$COMPANY`. All else is spelled out: the examples make `vera`, change her and
remove her.
"""

import json
from typing import Any, Final


def samples(path: str, method: str, operation: dict[str, Any]) -> list[dict[str, str]]:
    """The examples of one operation. To change or remove a thing, its ETag is asked for first."""
    for place, value in PLACES.items():
        path = path.replace(f"{{{place}}}", value)
    name = operation["operationId"]
    verb = VERBS.get(name, "curl" if method == "get" else f"curl -X {method.upper()}")
    url = f'"$TANDEM_URL{path}{QUERIES.get(name, "")}"'
    options = [_KEY] if operation.get("security") else []
    headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
    if "idempotency-key" in headers:
        options.append('-H "Idempotency-Key: $(date +%s)-$RANDOM"')
    body = [BODIES[name]] if name in BODIES else []
    made = []
    if "if-none-match" in headers:
        made.append(_sample("Make", _command(verb, url, *options, '-H "If-None-Match: *"', *body)))
    if "if-match" in headers:
        etag = "ETAG=$(" + _command("curl -s -o /dev/null -w '%header{etag}'", url, *options) + ")\n"
        change = _command(verb, url, *options, '-H "If-Match: $ETAG"', *body)
        made.append(_sample("Remove" if method == "delete" else "Change", etag + change))
    return made or [_sample("Ask", FIRST.get(name, "") + _command(verb, url, *options, *body))]


def _sample(label: str, source: str) -> dict[str, str]:
    return {"lang": "Shell", "label": label, "source": source}


def _command(verb: str, url: str, *options: str) -> str:
    """The verb and its address on one line, each option on one of its own."""
    return " \\\n  ".join([f"{verb} {url}", *options])


def _json(value: object) -> str:
    return f"--json '{json.dumps(value, ensure_ascii=False)}'"


_KEY: Final = '-H "Authorization: Bearer $TANDEM_KEY"'
PLACES: Final = {
    "person": "vera",
    "number": "%2B74951234599",
    "trunk": "spare",
    "site": "tomsk",
    "call": "$CALL",
    "command": "$COMMAND",
    "key": "$KEY_ID",
    "source": "203.0.113.66",
    "id": "$COMPANY",
}
QUERIES: Final = {"applyConfiguration": "?dry_run=true"}
VERBS: Final = {"listenToEvents": "curl -N"}
BODIES: Final = {
    "putPerson": _json(
        {
            "name": "Вера Новикова",
            "extension": "159",
            "devices": [{"id": "vera-desk", "kind": "desk", "password": "long-and-secret-59"}],
        }
    ),
    "putNumber": _json({"to": {"person": "vera"}}),
    "putTrunk": _json({"host": "sip.spare.example", "caller_number": "+74951234599"}),
    "putSite": _json({"name": "Томск"}),
    "originateCall": _json({"caller": "vera", "to": "101"}),
    "transferCall": _json({"to": "102"}),
    "createKey": _json({"name": "wall board", "scopes": ["calls.read", "events.read"]}),
    "applyConfiguration": "--json @company.json",
}
FIRST: Final = {
    "applyConfiguration": _command("curl -s -o company.json", '"$TANDEM_URL/api/v1/configuration"', _KEY)
    + "\n"
}
"""What has to be asked before."""
