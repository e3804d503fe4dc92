"""Writes rtl/engine.v."""

from pyimc.engines import BUILT_IN
from pyimc.engines.rtl import RTL, verilog

if __name__ == "__main__":
    (RTL / "engine.v").write_text(verilog(BUILT_IN.values()), encoding="utf-8")
