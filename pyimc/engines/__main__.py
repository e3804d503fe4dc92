"""Writes rtl/engine.v and rtl/engine_parameters.vh."""

from pyimc.engines import BUILT_IN
from pyimc.engines.rtl import RTL, parameters, verilog

if __name__ == "__main__":
    (RTL / "engine.v").write_text(verilog(BUILT_IN.values()), encoding="utf-8")
    (RTL / "engine_parameters.vh").write_text(parameters(BUILT_IN.values()), encoding="utf-8")
