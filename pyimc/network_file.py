"""A quantised network on disk: `network.json` for its structure and `network.npz` for its arrays.

The same network gives the same bytes, always: JSON keys are in a fixed order, and the archive is stored without
compression and with a fixed date.
"""

import io
import json
import zipfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimc.errors import ConfigError, EncodingError
from pyimc.network import Network, Node, Part, TensorType
from pyimc.network_rules import verify
from pyimc.operators import KINDS

SCHEMA_VERSION = 2
STRUCTURE = "network.json"
ARRAYS = "network.npz"
_DATE = (1980, 1, 1, 0, 0, 0)


def save(network: Network, directory: Path) -> None:
    """Write a network into an existing directory, as `network.json` and `network.npz`."""
    arrays: dict[str, NDArray[Any]] = {}
    nodes = []
    for index, node in enumerate(network.nodes):
        record: dict[str, Any] = {"kind": type(node).__name__}
        for field in fields(node):
            value = getattr(node, field.name)
            if field.name == "adc_shift" and value is None:
                continue  # a network without calibrated converters is written as before there were any
            if isinstance(value, np.ndarray):
                key = f"{index}.{field.name}"
                arrays[key] = value
                value = {"array": key}
            elif isinstance(value, Part):
                value = {"part": asdict(value)}
            record[field.name] = value
        nodes.append(record)
    tensors = {
        name: {field.name: getattr(kind, field.name) for field in fields(kind)}
        for name, kind in network.tensors.items()
    }
    structure = {
        "schema_version": SCHEMA_VERSION,
        "name": network.name,
        "input": network.input,
        "outputs": network.outputs,
        "host_tail": network.host_tail,
        "tensors": tensors,
        "nodes": nodes,
    }
    (directory / STRUCTURE).write_text(json.dumps(structure, indent=1) + "\n", encoding="utf-8")
    (directory / ARRAYS).write_bytes(_archive(arrays))


def load(directory: Path) -> Network:
    """Read and verify what `save` wrote.

    Raises:
        EncodingError: A file is missing, damaged or of another schema version.
        ConfigError: The files are readable but the network in them is not well formed.
    """
    try:
        structure = json.loads((directory / STRUCTURE).read_text(encoding="utf-8"))
        version = structure["schema_version"]
        if version != SCHEMA_VERSION:
            raise EncodingError(
                f"{directory / STRUCTURE}: schema version {version}, this is {SCHEMA_VERSION}; compile the model again"
            )
        with np.load(directory / ARRAYS, allow_pickle=False) as arrays:
            nodes = tuple(_node(record, arrays) for record in structure["nodes"])
        network = Network(
            name=structure["name"],
            input=structure["input"],
            outputs=tuple(structure["outputs"]),
            tensors={name: TensorType(**kind) for name, kind in structure["tensors"].items()},
            nodes=nodes,
            host_tail=tuple(structure["host_tail"]),
        )
        verify(network)
    except (ConfigError, EncodingError):
        raise
    except (OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EncodingError(f"{directory}: not a saved network ({reason}); compile the model again") from error
    return network


def _node(record: dict[str, Any], arrays: Any) -> Node:
    values: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            value = _part(value["part"]) if "part" in value else arrays[value["array"]]
        values[name] = tuple(value) if isinstance(value, list) else value
    return KINDS[values.pop("kind")](**values)


def _part(record: dict[str, list[int]]) -> Part:
    return Part(**{name: (first, end) for name, (first, end) in record.items()})


def _archive(arrays: dict[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), member.getvalue())
    return buffer.getvalue()
