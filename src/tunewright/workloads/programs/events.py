"""TensorBoard's files of events, as far as scalars go: records of protocol buffers.

A record is its length (8 bytes), a checksum of that (4), the data, and a checksum of those (4). An
Event has a step (field 2) and a Summary (5), whose values (1) have a tag (1) and a simple value (2)
or a tensor (8) of floats. Reading that much needs no library; TensorBoard's own takes a second.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5  # protocol buffers' wire types
_TENSOR_FORMATS = {1: "<f", 2: "<d"}  # of a tensor's content, by its type

Field = tuple[int, int, int | bytes]


def scalars(data: bytes) -> Iterator[tuple[str, int, float]]:
    """The scalars of a file as (tag, step, value); what is cut off at its end is left out."""
    at = 0
    while at + 12 <= len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        record = data[at + 12 : at + 12 + size]
        if len(record) < size:
            return
        try:
            yield from _event(record)
        except (IndexError, struct.error, ValueError):  # no such record: nothing behind it is sure
            return
        at += 12 + size + 4


def _event(record: bytes) -> Iterator[tuple[str, int, float]]:
    step, summaries = 0, list[bytes]()
    for number, _, value in _fields(record):
        if number == 2 and isinstance(value, int):
            step = value
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, _, value in _fields(summary):
            if number == 1 and isinstance(value, bytes):
                tag, scalar = _value(value)
                if scalar is not None:
                    yield tag, step, scalar


def _value(body: bytes) -> tuple[str, float | None]:
    tag, scalar = "", None
    for number, wire, value in _fields(body):
        if number == 1 and isinstance(value, bytes):
            tag = value.decode(errors="replace")
        elif number == 2 and wire == _FLOAT and isinstance(value, bytes):
            (scalar,) = struct.unpack("<f", value)
        elif number == 8 and isinstance(value, bytes):
            scalar = _tensor(value)
    return tag, scalar


def _tensor(body: bytes) -> float | None:
    """The one number of a tensor, None for any other."""
    kind, numbers = 0, list[float]()
    for number, wire, value in _fields(body):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 4 and isinstance(value, bytes) and kind in _TENSOR_FORMATS:
            numbers += [one for (one,) in struct.iter_unpack(_TENSOR_FORMATS[kind], value)]
        elif number in (5, 6) and wire in (_BYTES, _FLOAT, _DOUBLE) and isinstance(value, bytes):
            numbers += [one for (one,) in struct.iter_unpack("<f" if number == 5 else "<d", value)]
    return numbers[0] if len(numbers) == 1 else None


def _fields(data: bytes) -> Iterator[Field]:
    """The fields of a message: number, wire type, and the value or its bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_DOUBLE, _FLOAT):
            size = 8 if wire == _DOUBLE else 4
        else:
            raise ValueError(f"expected a field; got wire type {wire}")
        if at + size > len(data):
            raise ValueError("expected a whole field; got a part of one")
        yield number, wire, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
