# SPDX-License-Identifier: Apache-2.0
"""What an architecture means for the Verilog: the parameters of rtl/chip.v."""

from __future__ import annotations

from pyimc.arch import Arch
from pyimc.crossbar import ample_bits
from pyimc.engines import ENGINES
from pyimc.engines.rtl import digit


def chip_parameters(arch: Arch) -> dict[str, int]:
    """Every parameter of rtl/chip.v with its value; a test compares the names with the file."""
    return {
        "MESH_X": arch.mesh.columns,
        "MESH_Y": arch.mesh.rows,
        "HOST": arch.host,
        "KINDS": sum(digit(ENGINES[kind]) << 4 * node for node, kind in arch.kinds.items()),
        "FIFO_DEPTH": arch.mesh.fifo_depth,
        "WORD": arch.word_bits,
        "CONTEXTS": arch.contexts,
        "DESTINATIONS": arch.destinations,
        "INSTRUCTIONS": arch.instructions,
        "MEMORY": arch.activation_words,
        "PARTIALS": arch.partial_words,
        "PARAMETERS": arch.parameters,
        "PACKET": arch.packet_words,
        "ROWS": arch.crossbar.rows,
        "COLS": arch.crossbar.outputs,
        "PLANES": arch.crossbar.planes,
        "ADCS": arch.crossbar.adcs,
        "DAC": arch.crossbar.dac_bits,
        "ADC": _converter_bits(arch),
        "CELL": arch.crossbar.cell_bits,
        "DIFFERENTIAL": int(arch.crossbar.differential),
        "DRIVEN": arch.crossbar.driven,
        "FRACTION": arch.crossbar.fraction_bits,
        "NOISE": int(bool(arch.crossbar.real and arch.crossbar.real.noisy)),
        "ACCUMULATORS": arch.output_columns,
        "WEIGHTS": arch.weight_words,
        "STORED": arch.memory.planes,
        "HOST_WORDS": arch.host_words,
    }


def _converter_bits(arch: Arch) -> int:
    """0 if converters are ideal."""
    if arch.crossbar.adc:
        return arch.crossbar.adc.bits
    return ample_bits(arch.crossbar) if arch.crossbar.real else 0


def literal(name: str, value: int) -> str:
    """The value as tools take it on their command line: KINDS as wide as rtl/chip.v declares it."""
    return f"1024'h{value:x}" if name == "KINDS" else str(value)
