"""The live page and the documentation page: files of this package, kept in memory, working without the internet."""

from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def routes() -> list[Route]:
    """A route for each file; "/" and "/docs" show pages."""
    found = {
        entry.name: entry.read_bytes()
        for entry in (files("api") / "static").iterdir()
        if entry.name.rpartition(".")[2] in TYPES
    }
    pages = [_page(f"/static/{name}", name, content) for name, content in sorted(found.items())]
    return [
        _page("/", "index.html", found["index.html"]),
        _page("/docs", "docs.html", found["docs.html"]),
        Route("/favicon.ico", _favicon, include_in_schema=False),
        *pages,
    ]


def _page(path: str, name: str, content: bytes) -> Route:
    media_type = TYPES[name.rpartition(".")[2]]

    async def show(request: Request) -> Response:
        return Response(content, headers={"Cache-Control": "no-cache"}, media_type=media_type)

    return Route(path, show, methods=["GET", "HEAD"], include_in_schema=False)


async def _favicon(request: Request) -> Response:
    return RedirectResponse("/static/icon.svg", 308)
