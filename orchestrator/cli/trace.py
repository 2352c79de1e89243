"""`tandem trace`: why each device rang or was skipped, in words."""

from typing import Annotated, Literal

import typer

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
    company: CompanyName = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Tell the story of one call."""
    told = Client.open(url, key, data_dir, company).get(f"/calls/{segment(call)}/trace", lang=lang)
    for sentence in told["sentences"]:
        print(f"{sentence['after_s']:8.1f} s  {sentence['text']}")
