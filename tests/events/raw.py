"""Writes a record that no client in Python writes: the name of its header is not UTF-8.

https://kafka.apache.org/documentation/#recordbatch and Produce, version 3, of Kafka's protocol.
"""

import socket
import struct

NAME = b"\xff\xfe"


def write_unreadable_header(bootstrap: str, topic: str, partition: int) -> None:
    """Write one record with a key, a value and that header; return when Kafka has it."""
    host, _, port = bootstrap.rpartition(":")
    batch = _batch(_record())
    name = topic.encode()
    request = b"".join(
        [
            struct.pack(">hhih", 0, 3, 1, -1),  # Produce, version 3, an id, no client's name
            struct.pack(">hhi", -1, 1, 10_000),  # no transaction, acks, milliseconds
            struct.pack(">ih", 1, len(name)) + name,
            struct.pack(">iii", 1, partition, len(batch)) + batch,
        ]
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb").read(4 + 4 + 4 + 2 + len(name) + 4 + 4 + 2)
    assert answer[-2:] == b"\x00\x00", answer  # no error


def _record() -> bytes:
    """Return a record with an empty key, an empty value and one header without a value."""
    headers = _varint(1) + _varint(len(NAME)) + NAME + _varint(-1)
    record = b"\x00" + _varint(0) * 2 + _varint(0) + _varint(0) + headers
    return _varint(len(record)) + record


def _batch(record: bytes) -> bytes:
    # Attributes, last offset, times (Kafka sets them), no producer's id, the number of records.
    content = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + record
    rest = struct.pack(">ibI", 0, 2, _crc32c(content)) + content
    return struct.pack(">qi", 0, len(rest)) + rest


def _varint(number: int) -> bytes:
    """Encode a number between -64 and 63: longer ones take more bytes."""
    assert -64 <= number <= 63
    return bytes([number * 2 if number >= 0 else -number * 2 - 1])


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
