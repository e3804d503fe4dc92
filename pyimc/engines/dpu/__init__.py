"""The digital engine, `rtl/dpu_engine.v`: all that has no weights."""
