"""functions-framework's own quickstart: https://pypi.org/project/functions-framework"""

import flask
import functions_framework


@functions_framework.http
def hello(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Answer without reading the request."""
    return "Hello world!"
