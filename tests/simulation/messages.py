"""PostgreSQL's messages, as far as the store uses them.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import struct
from asyncio import StreamReader
from collections.abc import Sequence

SSL_REQUEST, CANCEL_REQUEST = 80877103, 80877102
PARSE_COMPLETE, BIND_COMPLETE = b"1\0\0\0\4", b"2\0\0\0\4"
READY, AUTHENTICATED = b"Z\0\0\0\5I", b"R\0\0\0\x08\0\0\0\0"
BOOL, TEXT, FLOAT, JSONB = 16, 25, 701, 3802  # types


async def read_greeting(reader: StreamReader) -> tuple[int, bytes]:
    """Return the code and the rest of the first message, which has no type."""
    [length] = struct.unpack("!i", await reader.readexactly(4))
    body = await reader.readexactly(length - 4)
    return int.from_bytes(body[:4]), body[4:]


async def read_message(reader: StreamReader) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!ci", await reader.readexactly(5))
    return kind, await reader.readexactly(length - 4)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def error(sqlstate: str, severity: str = "ERROR", kind: bytes = b"E") -> bytes:
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": f"simulated {sqlstate}"}
    return message(kind, b"".join(f"{k}{v}".encode() + b"\0" for k, v in fields.items()) + b"\0")


def row_description(types: Sequence[int]) -> bytes:
    columns = (b"c\0" + struct.pack("!ihihih", 0, 0, oid, -1, -1, 0) for oid in types)
    return message(b"T", struct.pack("!h", len(types)) + b"".join(columns))


def data_row(values: Sequence[str | None]) -> bytes:
    body = struct.pack("!h", len(values))
    for value in values:
        data = b"" if value is None else value.encode()
        body += struct.pack("!i", -1 if value is None else len(data)) + data
    return message(b"D", body)


def complete(tag: str) -> bytes:
    return message(b"C", tag.encode() + b"\0")


def texts(body: bytes, count: int) -> tuple[list[str], bytes]:
    """Split off so many texts, each of which a zero ends."""
    *found, rest = body.split(b"\0", count)
    return [text.decode() for text in found], rest


def bound_values(body: bytes) -> tuple[str, list[str]]:
    """Return a Bind message's statement and parameters, which are texts."""
    [_, name], rest = texts(body, 2)
    [formats] = struct.unpack_from("!h", rest)
    at = 2 + 2 * formats
    [count] = struct.unpack_from("!h", rest, at)
    at += 2
    values = []
    for _ in range(count):
        [length] = struct.unpack_from("!i", rest, at)
        values.append(rest[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return name, values
