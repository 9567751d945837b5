"""The description of the API, and the page at /docs to try it: Swagger UI from a package.

The package flask-swagger-ui contains the files of Swagger UI. Neither its code nor Flask is
imported, and the image installs it without Flask.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from function.errors import NotFound
from function.http.messages import Response

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


# A Location can't lead there: below a gateway's path, with or without a slash at its end, only the
# browser knows the whole path.
LEAD = b"""<!doctype html>
<title>Mentor function</title>
<script>location.replace(location.pathname.replace(/\\/?$/, "/docs"));</script>
"""


@cache
def description() -> bytes:
    """Return the description of the API, OpenAPI 3.1, which `make openapi` makes."""
    return Path(__file__).with_name("openapi.json").read_bytes()


def is_installed() -> bool:
    """Whether the extra `docs` is installed."""
    return find_spec("flask_swagger_ui") is not None


def find(path: str) -> Response:
    """Return the description, the page (`/docs` or `/docs/`), or one of its files.

    Another path leads to the page. Raises NotFound, also where the extra `docs` is not installed.
    Links are relative, because a gateway may add a prefix to the path.
    """
    if path.removesuffix("/") == "/openapi.json":
        return Response(200, description())
    if not path.startswith("/docs"):
        return Response(200, LEAD, "text/html", (("Vary", "Accept"),))
    package = find_spec("flask_swagger_ui")
    if package is None or package.origin is None:
        raise NotFound("the page is not installed here")
    if path == "/docs":
        return _page(assets="docs/", openapi="openapi.json")
    if path == "/docs/":
        return _page(assets="", openapi="../openapi.json")
    return _asset(Path(package.origin).parent / "dist", path.removeprefix("/docs/"))


def _page(**links: str) -> Response:
    return Response(200, PAGE.format(**links).encode(), "text/html")


@cache  # all clients share a copy, even those that do not read
def _asset(folder: Path, name: str) -> Response:
    known = {file.name: file for file in folder.iterdir() if file.suffix in CONTENT_TYPES}
    if name not in known:
        raise NotFound("there is nothing at this path")
    return Response(200, known[name].read_bytes(), CONTENT_TYPES[known[name].suffix])
