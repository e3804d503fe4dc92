# SPDX-License-Identifier: Apache-2.0
"""`verilator --lint-only -Wall` on the RTL: every module as it stands, the chip as each architecture sets it.

    python -m sim.toolchain.lint_rtl [module ...]

Exit code 1 if Verilator has anything at all to say, 2 if it is not installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from pyimc.arch import CONFIGS, load_arch
from pyimc.engines.rtl import RTL
from pyimc.errors import ConfigError, ImcError, ToolError
from sim.toolchain.chip_parameters import chip_parameters, literal, modules

Parameters = Mapping[str, int]


def main(names: Sequence[str]) -> int:
    """Lints the named modules, or all; prints one line per parameter set and what Verilator said."""
    try:
        return 1 if sum([not _lint(module, parameters) for module, parameters in jobs(names)]) else 0
    except ImcError as error:
        print(f"lint: {error}", file=sys.stderr)
        return error.exit_code


def jobs(names: Sequence[str]) -> Iterator[tuple[str, Parameters]]:
    """Yields module and parameters of every Verilator run.

    Raises:
        ConfigError: a name is no module.
    """
    known = sorted(modules())
    if unknown := sorted(set(names) - set(known)):
        raise ConfigError(f"no such module: {', '.join(unknown)}; rtl/ has {', '.join(known)}")
    for module in names or known:
        if module == "chip":
            for config in sorted(CONFIGS.glob("*.yaml")):
                yield module, chip_parameters(load_arch(config.stem))
        else:
            yield module, {}


def _lint(module: str, parameters: Parameters) -> bool:
    if not shutil.which("verilator"):
        raise ToolError("verilator is not installed; run make lint, which installs it, or: apt-get install verilator")
    command = ["verilator", "--lint-only", "-Wall", "--default-language", "1364-2005", f"-I{RTL}", "-y", str(RTL)]
    command += ["--top-module", module, *(f"-G{name}={literal(name, value)}" for name, value in parameters.items())]
    run = subprocess.run(
        [*command, str(modules()[module])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    said = "\n".join(line for line in run.stdout.splitlines() if line.strip() and not line.startswith("- "))
    clean = run.returncode == 0 and not said  # newer versions end with statistics, on lines that start with "- "
    values = " ".join(f"{name}={value}" for name, value in parameters.items())
    print(f"{'ok    ' if clean else 'FAULTS'} {module} {values}".rstrip(), flush=True)
    if not clean:
        print(said, flush=True)
    return clean


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
