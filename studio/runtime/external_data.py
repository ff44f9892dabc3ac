"""Where an ONNX file keeps its weights outside of itself, read without trusting it."""

from collections.abc import Iterator

# Field numbers of onnx.proto: for each message, the fields that lead to a tensor, and to which message.
_FIELDS: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {13: "StringStringEntryProto"},
}
_MAX_DEPTH = 64
_MAX_FIELDS = 4_000_000
_MAX_ENTRY = 65_536
"""Bytes of a key and its value."""


def external_data(model: bytes) -> Iterator[dict[str, str]]:
    """Yield location, offset, length, … of every tensor of an ONNX model whose data lie in another file.

    Tensors of subgraphs, functions and attributes are included. ValueError when the bytes are not a whole
    protobuf message, or one too deep or too large to be a model of ours.
    """
    graphs = 0
    pending = [("ModelProto", 0, len(model), 0)]
    budget = _MAX_FIELDS
    while pending:
        message, start, end, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        children = _FIELDS[message]
        entries: dict[str, str] = {}
        for number, left, right in _fields(model, start, end):
            budget -= 1
            if budget < 0:
                raise ValueError("too many fields")
            child = children.get(number)
            if child == "StringStringEntryProto":
                if right - left > _MAX_ENTRY:
                    raise ValueError("an entry too large")
                key, value = _entry(model, left, right)
                # Readers differ in which of two equal keys counts, so neither is believed.
                if key in entries:
                    raise ValueError(f"{key} given twice")
                entries[key] = value
            elif child:
                graphs += message == "ModelProto" and child == "GraphProto"
                pending.append((child, left, right, depth + 1))
        if entries:
            yield entries
    if graphs != 1:
        raise ValueError("no graph")


def _entry(model: bytes, start: int, end: int) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for number, left, right in _fields(model, start, end):
        if number in texts:
            texts[number] = model[left:right].decode("utf-8")
    return texts[1], texts[2]


def _fields(model: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of every field of the message in model[position:end]; number 0 where it holds no bytes."""
    while position < end:
        tag, position = _varint(model, position, end)
        wire = tag & 7
        if wire == 0:
            _, position = _varint(model, position, end)
            yield 0, position, position
        elif wire == 2:
            size, position = _varint(model, position, end)
            if size > end - position:
                raise ValueError("cut short")
            yield tag >> 3, position, position + size
            position += size
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
            yield 0, position, position
        else:
            raise ValueError("not a protobuf message")
    if position != end:
        raise ValueError("cut short")


def _varint(model: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= end or shift > 63:
            raise ValueError("cut short")
        byte = model[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
