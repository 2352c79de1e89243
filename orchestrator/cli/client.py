"""The HTTP API of a running exchange, as commands use it."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from attrs import field, frozen

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_DATA_DIR = Path("data")
TIMEOUT_S = 30.0
PAGE = 200
KEY = re.compile(r"[\x21-\x7e]+")
"""What fits into a header (RFC 6750 §2.1, taken widely)."""

Url = Annotated[str, typer.Option("--url", envvar="TANDEM_URL", help="Where the exchange serves HTTP.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="TANDEM_KEY", help="API key; otherwise the operator's key in the data folder."
    ),
]
DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="TANDEM_DATA_DIR", help="Folder with operator.key.")
]
CompanyName = Annotated[
    str | None, typer.Option("--company", help="Which company; not needed where there is one.")
]


class ApiError(Exception):
    """The exchange refused or was not reached; the text says what to do."""


class Refused(ApiError):
    """The exchange was reached, and would not. `status` is that of HTTP."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@frozen
class Client:
    """Speaks to one exchange with one key."""

    url: str
    key: str = field(repr=False)
    company: str | None = None

    @classmethod
    def open(cls, url: str, key: str | None, data_dir: Path, company: str | None = None) -> "Client":
        """Find the key. Raises `ApiError` saying where it was looked for, or that it is none."""
        where = "--key or TANDEM_KEY"
        if key is None:
            path = data_dir / "operator.key"
            where = str(path)
            try:
                key = path.read_text(encoding="utf-8", errors="replace").strip()
            except OSError as error:
                raise ApiError(
                    f"no API key: give --key or TANDEM_KEY, or --data-dir with operator.key ({path}: {error.strerror})"
                ) from error
        if not KEY.fullmatch(key):
            raise ApiError(f"{where} is no API key; one looks like tandem_…")
        return cls(url.rstrip("/"), key, company)

    def get(self, path: str, **query: object) -> Any:
        """The answer's JSON."""
        return self._request("GET", path, query=query)

    def pages(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, limit=PAGE, cursor=cursor, **query)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def post(
        self, path: str, body: object = None, *, idempotency_key: str | None = None, **query: object
    ) -> Any:
        """Send a value as JSON, or bytes that are JSON; the answer's JSON."""
        return self._request("POST", path, body, query, idempotency_key)

    def delete(self, path: str) -> None:
        """Remove something."""
        self._request("DELETE", path)

    def _request(
        self,
        method: str,
        path: str,
        body: object = None,
        query: dict[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        content: dict[str, Any] = {}
        if isinstance(body, bytes):
            content["content"] = body
            headers["Content-Type"] = "application/json"
        elif body is not None:
            content["json"] = body
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        params = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in {**(query or {}), "company": self.company}.items()
            if value is not None
        }
        try:
            answer = httpx.request(
                method,
                f"{self.url}/api/v1{path}",
                params=params,
                headers=headers,
                timeout=TIMEOUT_S,
                **content,
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ApiError(
                f"no exchange answers at {self.url} ({error or type(error).__name__}); start one with: tandem serve"
            ) from error
        if not answer.is_success:
            raise Refused(_refusal(answer), answer.status_code)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise ApiError(f"what answers at {self.url} is no exchange; give another --url") from error


def command(words: str, *, url: str = DEFAULT_URL, data_dir: Path = DEFAULT_DATA_DIR) -> str:
    """How somebody types a sub-command here: where this program is, and which exchange is meant."""
    program = Path(sys.argv[0]).absolute()
    own = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    flags = "" if url == DEFAULT_URL else f" --url {url}"
    if data_dir != DEFAULT_DATA_DIR:
        flags += f" --data-dir {shlex.quote(str(data_dir))}"
    return f"{shlex.quote(str(own))} {words}{flags}"


def segment(text: str) -> str:
    """Somebody's words as one segment of a path."""
    return quote(text, safe="")


def _refusal(answer: httpx.Response) -> str:
    """A problem (RFC 9457) in lines: each wrong thing with its place."""
    try:
        problem = answer.json()
        head = problem.get("detail") or problem.get("title") or answer.reason_phrase
        wrong = [": ".join(filter(None, (e["pointer"], e["detail"]))) for e in problem.get("errors", ())]
    except (ValueError, AttributeError, KeyError, TypeError):
        return f"HTTP {answer.status_code} {answer.reason_phrase}"
    if answer.status_code == 401:
        at = f"{answer.url.scheme}://{answer.url.netloc.decode()}"
        head = (
            f"the API key is not accepted by the exchange at {at}; "
            "give another with --key or TANDEM_KEY, or another exchange with --url"
        )
    # The head of a single fault only repeats it.
    return wrong[0] if len(wrong) == 1 else "\n  ".join([head, *wrong])
