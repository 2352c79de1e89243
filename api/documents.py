"""Reads a posted document, YAML or JSON, without letting it cost more than it weighs.

YAML aliases are refused: a few of them unfold to gigabytes. Reading happens in a thread, since a company of
100,000 numbers takes seconds.
"""

from typing import Final

import msgspec
import trio
import yaml

from api.problems import Problem
from orchestrator.configuration.loader import Loader


async def read_document(body: bytes, media_type: str) -> object:
    """The document as plain values. Raises a `Problem` if it cannot be read."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind in ("application/json", ""):
        return await trio.to_thread.run_sync(_read_json, body)
    if kind in YAML_TYPES:
        if len(body) > MAX_YAML:
            raise Problem("too_large", f"YAML may have {MAX_YAML} bytes; send JSON")
        return await trio.to_thread.run_sync(_read_yaml, body)
    raise Problem("bad_request", f"send JSON or YAML, not {kind[:50]}")


def _read_json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem("bad_request", f"this is not JSON: {error}") from error


def _read_yaml(body: bytes) -> object:
    try:
        for event in yaml.parse(body, Loader):
            if isinstance(event, yaml.AliasEvent):
                raise yaml.YAMLError(f"aliases are not accepted: *{event.anchor}")
        return yaml.load(body, Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Problem("bad_request", f"this is not YAML: {error}"[:1_000]) from error


YAML_TYPES: Final = {"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"}
MAX_YAML: Final = 8 << 20
