"""Makes function/http/openapi.json, the description of the API that the function serves."""
