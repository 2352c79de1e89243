"""The OpenAPI 3.1 document: FastAPI's, with our errors in place of its own and our conventions spelled out."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import compile_path

from api.examples import samples
from api.problems import CODES, MEDIA_TYPE, ProblemBody


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """The document; built once."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    schemas = document["components"]["schemas"]
    for gone in ("HTTPValidationError", "ValidationError"):
        schemas.pop(gone, None)
    problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    problem["properties"]["code"]["enum"] = sorted(CODES)
    schemas["Problem"] = problem
    document["components"]["responses"] = {"Problem": _PROBLEM}
    for path, method, operation in _operations(document):
        operation["responses"].pop("422", None)
        operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
        for name in REQUIRED_HEADERS.get(operation["operationId"], ()):
            for parameter in operation["parameters"]:
                if parameter["name"] == name:
                    parameter["required"] = True
        operation["x-codeSamples"] = samples(path, method, operation)
    app.openapi_schema = document
    return document


def methods_of(app: FastAPI, path: str) -> list[str]:
    """What may be done at a path: the `Allow` of a 405 (RFC 9110 §10.2.1), which one route alone does not know."""
    return sorted(
        method.upper()
        for template, methods in build_openapi(app)["paths"].items()
        if compile_path(template)[0].match(path)
        for method in methods
    )


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


_PROBLEM: Final = {
    "description": "Anything that went wrong (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
REQUIRED_HEADERS: Final = {
    "originateCall": ("idempotency-key",),
    "transferCall": ("idempotency-key",),
    "createKey": ("idempotency-key",),
    "deletePerson": ("if-match",),
    "deleteNumber": ("if-match",),
    "deleteTrunk": ("if-match",),
    "deleteSite": ("if-match",),
}
"""Required by us, though not by FastAPI, whose error for a missing one would be another than ours."""
