"""The page at /docs, to try the function in a browser: Swagger UI from an installed package.

The package flask-swagger-ui is well kept and brings Swagger UI's own files; neither its code nor
Flask is imported.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from function.errors import NotFound

CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mentor function</title>
<link rel="icon" type="image/png" href="{assets}favicon-32x32.png">
<link rel="stylesheet" href="{assets}swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="{assets}swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({{url: "{openapi}", dom_id: "#page", tryItOutEnabled: true}});</script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A file for the browser."""

    content: bytes
    content_type: str


def is_installed() -> bool:
    """Whether the extra `docs` is there."""
    return find_spec("flask_swagger_ui") is not None


def find(path: str) -> Page:
    """Return the page (`/docs` or `/docs/`) or one of its files (`/docs/<name>`).

    Raises NotFound, also where the extra `docs` is not installed. Links are relative, for a
    gateway may serve the function below a path of its own.
    """
    package = find_spec("flask_swagger_ui")
    if package is None or package.origin is None:
        raise NotFound("the page is not installed here")
    if path == "/docs":
        return Page(PAGE.format(assets="docs/", openapi="openapi.json").encode(), "text/html")
    if path == "/docs/":
        return Page(PAGE.format(assets="", openapi="../openapi.json").encode(), "text/html")
    return _asset(Path(package.origin).parent / "dist", path.removeprefix("/docs/"))


@cache  # a client that does not read must not hold a copy of its own
def _asset(folder: Path, name: str) -> Page:
    known = {file.name: file for file in folder.iterdir() if file.suffix in CONTENT_TYPES}
    if name not in known:
        raise NotFound("there is nothing at this path")
    return Page(known[name].read_bytes(), CONTENT_TYPES[known[name].suffix])
