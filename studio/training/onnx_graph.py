"""A network to an ONNX graph whose weights stay in one safetensors file, in half or full precision."""

import json
import logging
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file

from studio.errors import StudioError
from studio.runtime.devices import BROKEN, import_onnxruntime
from studio.training.networks import Network

GRAPH, WEIGHTS = "denoiser.onnx", "weights.safetensors"
TOLERANCE = 2e-4
"""For logits up to 32; float32 rounds larger ones as much more."""
_INLINE = 1024  # tensors of fewer elements stay in the graph


def round_to_half(network: Network) -> None:
    """Round the weights to half precision in place, so that PyTorch computes what the bundle holds."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            rounded = parameter.half().float()
            if not torch.isfinite(rounded).all():
                raise StudioError(f"The weights {name} are too large for half precision.")
            parameter.copy_(rounded)


def write_graph(network: Network, folder: Path, num_tokens: int, any_length: bool, half: bool = True) -> None:
    """Write denoiser.onnx and weights.safetensors into `folder`.

    The graph has inputs y int64 (B, L, ℓ) and rows int64 (n,) and the output logits float32 (n, C); B and n
    are dynamic, L as well where `any_length`. Its large weights are external data inside the safetensors
    file; where `half`, in half precision, and cast to float32 as the session loads.
    """
    network = network.eval()
    kind = torch.float16 if half else torch.float32
    save_file({name: p.detach().to(kind).contiguous() for name, p in network.named_parameters()}, folder / WEIGHTS)
    config = network.config
    example = torch.full((2, num_tokens, config.length), config.base, dtype=torch.int64)
    sizes: dict[int, Any] = {0: torch.export.Dim.DYNAMIC}
    if any_length:
        sizes[1] = torch.export.Dim.DYNAMIC
    # The exporter warns of packages that are not needed and of its own internals.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _export(network, example, sizes)
    _drop_notes(model)
    _name_dimensions(model, any_length)
    _move_weights_out(model, folder / WEIGHTS)
    onnx.save_model(model, str(folder / GRAPH))


def _export(network: Network, example: torch.Tensor, sizes: dict[int, Any]) -> onnx.ModelProto:
    program = torch.onnx.export(
        network,
        (example, torch.arange(5)),
        input_names=["y", "rows"],
        output_names=["logits"],
        dynamic_shapes={"y": sizes, "rows": {0: torch.export.Dim.DYNAMIC}},
        dynamo=True,
        optimize=False,
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def _drop_notes(model: onnx.ModelProto) -> None:
    """The exporter notes the source line of every node: nine tenths of the file, and paths of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        del function.metadata_props[:]
        function.doc_string = ""
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""


def _name_dimensions(model: onnx.ModelProto, any_length: bool) -> None:
    """Readable names for the dynamic sizes, since they are part of the contract."""
    names = {"y": ["batch", "tokens" if any_length else None, None], "rows": ["rows"], "logits": ["rows", None]}
    for value in [*model.graph.input, *model.graph.output]:
        for dimension, name in zip(value.type.tensor_type.shape.dim, names[value.name], strict=True):
            if name:
                dimension.dim_param = name


def _move_weights_out(model: onnx.ModelProto, weights: Path) -> None:
    """Replace every large initializer by the tensor of that name in the safetensors file, with a cast from half."""
    with weights.open("rb") as file:
        header_size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(header_size))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < _INLINE:
            continue
        entry = header.get(tensor.name)
        if entry is None:
            continue  # a constant table, not a weight
        if list(tensor.dims) != entry["shape"]:
            raise StudioError(f"The exporter changed the shape of {tensor.name}; use torch 2.11 to 2.13.")
        begin, end = entry["data_offsets"]
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", weights.name), ("offset", 8 + header_size + begin), ("length", end - begin)):
            tensor.external_data.add(key=key, value=str(value))
        if entry["dtype"] == "F16":
            name = tensor.name
            tensor.name = f"{name}.half"
            tensor.data_type = TensorProto.FLOAT16
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def verify_graph(network: Network, folder: Path, num_tokens: int) -> float:
    """Largest difference of the logits between PyTorch and ONNX Runtime, at batch sizes 1 and 3.

    Raises StudioError where it exceeds 2e-4, or 2e-4 / 32 of the largest logit: states drawn at random are such as no
    data ever gave, and of those a trained network can say several hundred.
    """
    config = network.config
    session = import_onnxruntime().InferenceSession(
        str(folder / GRAPH), providers=["CPUExecutionProvider"], disabled_optimizers=BROKEN
    )
    rng = np.random.default_rng(0)
    worst = largest = 0.0
    for batch, rows in ((1, num_tokens), (3, 7)):
        y = rng.integers(0, config.base + 1, (batch, num_tokens, config.length))
        wanted = rng.choice(batch * num_tokens, min(rows, batch * num_tokens), replace=False)
        with torch.no_grad():
            expected = network(torch.from_numpy(y), torch.from_numpy(wanted)).numpy()
        got = np.asarray(session.run(["logits"], {"y": y, "rows": wanted})[0])
        worst = max(worst, float(np.abs(expected - got).max()))
        largest = max(largest, float(np.abs(expected).max()))
    allowed = TOLERANCE * max(1.0, largest / 32)
    if not worst <= allowed:
        raise StudioError(
            f"The exported graph differs from the network by {worst:.1e}, where {allowed:.1e} is allowed, and was not "
            "kept: install torch and onnx in the versions that Prime Studio names, and export again."
        )
    return worst
