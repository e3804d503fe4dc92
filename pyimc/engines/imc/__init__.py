"""The crossbar engine, `rtl/imc_engine.v`: matrix-vector multiplications."""
