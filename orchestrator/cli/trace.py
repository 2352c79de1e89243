"""`tandem trace`: why each device rang or was skipped, in words; and what the call looks like on the wire."""

from typing import Annotated, Literal

import typer

from orchestrator.cli import ladder
from orchestrator.cli.client import (
    DEFAULT_DATA_DIR,
    DEFAULT_URL,
    Client,
    CompanyName,
    DataDir,
    Key,
    Url,
    segment,
)


def trace(
    call: Annotated[str, typer.Argument(help="The call's id, as `tandem calls` and `records` show it.")],
    lang: Annotated[Literal["en", "ru"], typer.Option(help="Language of the sentences.")] = "en",
    sip: Annotated[
        bool, typer.Option("--sip", help="Draw its SIP messages instead; needs the operator's key.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="With --sip: each message's text as well.")] = False,
    company: CompanyName = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Tell the story of one call."""
    if full and not sip:
        raise typer.BadParameter("--full shows SIP messages: give --sip as well")
    client = Client.open(url, key, data_dir, company)
    if sip:
        _draw(client.get(f"/calls/{segment(call)}/sip"), lang, full=full)
        return
    told = client.get(f"/calls/{segment(call)}/trace", lang=lang)
    for sentence in told["sentences"]:
        print(f"{sentence['after_s']:8.1f} s  {sentence['text']}")


def _draw(told: ladder.Trace, lang: Literal["en", "ru"], *, full: bool) -> None:
    if not told["messages"]:
        print(_NOTHING[lang])
        return
    print("\n".join(ladder.draw(told["messages"], told["left_out"], lang)))
    if full:
        for message in told["messages"]:
            print()
            print("\n".join(ladder.shown(message, lang)))


_NOTHING = {
    "en": "no SIP messages of this call are kept: the exchange keeps those of its newest calls since its start"
    " (serve --sip-trace-calls)",
    "ru": "SIP-сообщения этого звонка не хранятся: станция держит их для последних звонков с момента запуска"
    " (serve --sip-trace-calls)",
}
