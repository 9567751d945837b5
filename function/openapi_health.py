"""The part of the description that tells of health: what platforms ask again and again."""

Schema = dict[str, object]

SCHEMAS: dict[str, Schema] = {
    "Health": {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["started", "ok", "ready", "not ready"]},
        },
        "required": ["status"],
    },
}

PROBES = {
    "Startup": "`started` as soon as the process answers.",
    "Liveness": "`ok` while the process answers. It does not ask PostgreSQL.",
    "Ready": "`ready` if PostgreSQL answers and has the table; otherwise 503 and `not ready`.",
}


def paths(request_id: Schema) -> Schema:
    """Return the probes by their paths; `request_id` is the header that each answer has."""
    return {
        f"/health/{name.lower()}": {"get": _probe(name, description, request_id)}
        for name, description in PROBES.items()
    }


def _probe(name: str, description: str, request_id: Schema) -> Schema:
    answer = {
        "headers": {"X-Request-Id": request_id},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}},
    }
    responses = {"200": {"description": "It is.", **answer}}
    if name == "Ready":
        responses["503"] = {"description": "PostgreSQL does not answer.", **answer}
    return {
        "operationId": f"check{name}",
        "tags": ["health"],
        "summary": f"{name} probe",
        "description": description,
        "responses": responses,
    }
