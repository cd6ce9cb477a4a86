"""
MEXC's protobuf messages, made from field numbers when they are first wanted.

In a pool of their own: no generated code, and ``protobuf`` is not imported before.
Facts: mexcdevelop/websocket-proto @7b8ac7a (2026-06-17).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from booksync.errors import ConfigurationError

__all__ = ["messages"]

PACKAGE = "booksync.mexc"
#: Message -> field -> (number, type); a message's name stands for itself, repeated
#: where its name ends in ``[]``. Fields that are not here are skipped.
SCHEMA: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Item": {"price": (1, "string"), "quantity": (2, "string")},
    "Depths": {
        "asks": (1, "Item[]"),
        "bids": (2, "Item[]"),
        "eventType": (3, "string"),
        "fromVersion": (4, "string"),
        "toVersion": (5, "string"),
    },
    "Wrapper": {
        "channel": (1, "string"),
        "symbol": (3, "string"),
        "createTime": (5, "int64"),
        "sendTime": (6, "int64"),
        "publicAggreDepths": (313, "Depths"),
    },
}


@cache
def messages() -> tuple[type[Any], type[Exception]]:
    """
    Make the class of a whole frame, and name the error of an unreadable one.

    Raises:
        ConfigurationError: If ``protobuf`` is not installed.

    """
    try:
        descriptors = importlib.import_module("google.protobuf.descriptor_pb2")
        pools = importlib.import_module("google.protobuf.descriptor_pool")
        factory = importlib.import_module("google.protobuf.message_factory")
        errors = importlib.import_module("google.protobuf.message")
    except ImportError as error:
        raise ConfigurationError(
            f"mexc speaks protobuf: pip install 'booksync[mexc]' ({error})"
        ) from None
    file = descriptors.FileDescriptorProto(
        name="booksync_mexc.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            message.field.add(name=field, number=number, **_field(descriptors, kind))
    pool = pools.DescriptorPool()
    pool.Add(file)
    wrapper = pool.FindMessageTypeByName(f"{PACKAGE}.Wrapper")
    return factory.GetMessageClass(wrapper), errors.DecodeError


def _field(descriptors: Any, kind: str) -> dict[str, Any]:
    kinds = descriptors.FieldDescriptorProto
    label = kinds.LABEL_REPEATED if kind.endswith("[]") else kinds.LABEL_OPTIONAL
    name = kind.removesuffix("[]")
    if name in SCHEMA:
        type_name = f".{PACKAGE}.{name}"
        return {"type": kinds.TYPE_MESSAGE, "type_name": type_name, "label": label}
    scalar = kinds.TYPE_STRING if name == "string" else kinds.TYPE_INT64
    return {"type": scalar, "label": label}
