# SPDX-License-Identifier: Apache-2.0
"""What an architecture means for the Verilog: the parameters of rtl/chip.v."""

from __future__ import annotations

from pyimc.arch import Arch


def chip_parameters(arch: Arch) -> dict[str, int]:
    """Every parameter of rtl/chip.v with its value; a test compares the names with the file."""
    return {
        "MESH_X": arch.mesh.columns,
        "MESH_Y": arch.mesh.rows,
        "HOST": arch.host,
        "DPUS": sum(1 << node for node in arch.dpus),
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
        "COLS": arch.crossbar.columns,
        "PLANES": arch.crossbar.planes,
        "ADCS": arch.crossbar.adcs,
        "DAC": arch.crossbar.dac_bits,
        "COLUMNS": arch.output_columns,
        "HOST_WORDS": arch.host_words,
    }


def literal(name: str, value: int) -> str:
    """The value as tools take it on their command line: DPUS as wide as rtl/chip.v declares it."""
    return f"256'h{value:x}" if name == "DPUS" else str(value)
