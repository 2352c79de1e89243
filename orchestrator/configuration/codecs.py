"""Documents → words for what is spoken with a trunk."""

from orchestrator.configuration.fields import Fields


def read_codecs(trunk: Fields, names: tuple[str, ...]) -> tuple[str, ...]:
    """The `codecs` of a trunk, which says `names`, as their RFCs write them."""
    found: list[str] = []
    for place, name in enumerate(names):
        known = next((codec for codec in CODECS if codec.lower() == name.lower()), None)
        if known is None:
            trunk.wrong(f"codecs[{place}]", f"no codec {name!r} (there are: {', '.join(CODECS)})")
        elif known in found:
            trunk.wrong(f"codecs[{place}]", f"{known} is given twice")
        else:
            found.append(known)
    if trunk.has("codecs") and not {*found} - NO_SOUND:
        trunk.wrong("codecs", "has no sound; name a codec such as PCMA, or leave codecs out for all")
    return tuple(found)


CODECS = (
    *(
        "PCMA",
        "PCMU",
        "G722",
        "opus",
        "G729",
        "G723",
        "GSM",
        "iLBC",
        "G726-32",
        "AMR",
        "AMR-WB",
        "EVS",
        "speex",
    ),
    *("telephone-event", "CN"),
)
"""Encoding names (RFC 3551 §6, and registered later)."""
NO_SOUND = frozenset({"telephone-event", "CN"})
"""Keys and comfort noise."""
