"""The crossbar engine, `rtl/imc_engine.v`: matrix-vector multiplications."""

from pyimc import isa
from pyimc.arch import Arch
from pyimc.crossbar import ample_bits
from pyimc.engines.engine import Engine, Resource
from pyimc.engines.rtl import RTL


def _converter_bits(arch: Arch) -> int:
    """0 if converters are ideal."""
    if arch.crossbar.adc:
        return arch.crossbar.adc.bits
    return ample_bits(arch.crossbar) if arch.crossbar.real else 0


ENGINE = Engine(
    kind="imc",
    number=0,
    rtl=RTL / "imc_engine.v",
    parameters={
        "ROWS": lambda arch: arch.crossbar.rows,
        "COLS": lambda arch: arch.crossbar.outputs,
        "PLANES": lambda arch: arch.crossbar.planes,
        "ADCS": lambda arch: arch.crossbar.adcs,
        "DAC": lambda arch: arch.crossbar.dac_bits,
        "ADC": _converter_bits,
        "CELL": lambda arch: arch.crossbar.cell_bits,
        "DIFFERENTIAL": lambda arch: int(arch.crossbar.differential),
        "DRIVEN": lambda arch: arch.crossbar.driven,
        "FRACTION": lambda arch: arch.crossbar.fraction_bits,
        "NOISE": lambda arch: int(bool(arch.crossbar.real and arch.crossbar.real.noisy)),
        "ACCUMULATORS": lambda arch: arch.output_columns,
    },
    black_boxes=(RTL / "imc_array.v",),
    layouts=isa.ENGINE_IMC,
    partial_memory=True,
    energy="pyimc.engines.imc.energy",
    resources=(
        Resource("planes", lambda arch: arch.crossbar.planes, "crossbar.planes"),
        Resource("partial words", lambda arch: arch.partial_words, "partial_words"),
    ),
)
