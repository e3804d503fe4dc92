"""Waves of a window of a run: its Program and images once more on Icarus, whose cycles are every simulator's.

A window is written as `WAVES=` takes it: `1` (everything), `pu3`, `image2`, `@10000..20000`, `pu3@10000..20000`,
`pu3@image2`. Cycles count from the start of the run, images from 0. The bench starts recording with the first cycle
and ends with the last; beside the waves is a save file for GTKWave, grouped by PU, with names for actors and opcodes.
"""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from vcd.gtkw import GTKWSave

from pyimc import isa
from pyimc.errors import ConfigError, ToolError
from pyimc.measurement import Measurement
from pyimc.program import Program
from sim.run.folder import BUILD, PROGRAM, write_text
from sim.run.job import Job
from sim.toolchain import simulator

WINDOW = re.compile(r"1|(?:pu(?P<pu>\d+)(?:@(?=.)|$)|@(?=.))?(?:image(?P<image>\d+)|(?P<first>\d+)\.\.(?P<last>\d+))?")
FILE = "waves.fst"
FORMS = "write 1, pu3, image2, @10000..20000 or pu3@10000..20000"
BYTES_PER_CYCLE = 30  # of a PU that computes, compressed: digits on the default chip
AROUND_CYCLES = 500  # before and behind what went wrong
SIGNALS = (
    ("s_valid", "s_ready", "s_last", "s_data[word]"),
    ("arrive_valid", "arrive_channel[8]", "arrive_words[8]"),
    ("issue_valid", "issue_ready", "issue_ctx[ctx]", "done", "room_waiting"),
    ("word_valid", "word_ready", "word_ctx[ctx]", "word_last", "word_data[word]"),
    ("m_valid", "m_ready", "m_last", "m_data[word]"),
    ("s_credit_valid", "m_credit_valid", "m_credit_ready"),
)
"""Of a PU, in the order of its data; in brackets how many bits."""


@dataclass(frozen=True, slots=True)
class Window:
    """Cycles of a run, both included, and the PU to look at; None is the whole chip."""

    first: int
    last: int
    pu: int | None = None

    def __str__(self) -> str:
        return f"{'the chip' if self.pu is None else f'PU {self.pu}'} in cycles {self.first} to {self.last}"


def read_window(text: str, program: Program, measured: Measurement) -> Window:
    """What the user wrote, for a run that has been measured.

    Raises:
        ConfigError: It is no window, or no window of this run.
    """
    found = WINDOW.fullmatch(text)
    if not text or found is None:
        raise ConfigError(f"waves '{text}': {FORMS}")
    pu = None if found["pu"] is None else int(found["pu"])
    if pu is not None and pu not in program.pus:
        raise ConfigError(f"waves '{text}': PU {pu} hosts nothing; those that do: {', '.join(map(str, program.pus))}")
    first, last = 1, measured.cycles_total
    if found["image"] is not None:
        image, images = int(found["image"]), min(len(measured.first_cycles), len(measured.last_cycles))
        if image >= images:
            raise ConfigError(f"waves '{text}': images 0 to {images - 1} were finished")
        first, last = measured.first_cycles[image], measured.last_cycles[image]
    elif found["first"] is not None:
        first, last = int(found["first"]), min(int(found["last"]), measured.cycles_total)
    if first > last:
        raise ConfigError(f"waves '{text}': the run has cycles 1 to {measured.cycles_total}")
    return Window(first, last, pu)


def check_window(text: str, level: str) -> None:
    """Before anything is run; raises ConfigError as `read_window`, or if the level has no waves."""
    if text and level != "rtl":
        raise ConfigError(f"waves '{text}': level {level} has none; take level rtl")
    if text and not WINDOW.fullmatch(text):
        raise ConfigError(f"waves '{text}': {FORMS}")


def around(cycle: int, pu: int | None) -> Window:
    """The window in which to look for what went wrong in a cycle."""
    return Window(max(1, cycle - AROUND_CYCLES), cycle + AROUND_CYCLES, pu)


def estimated_bytes(window: Window, program: Program) -> int:
    """About how large the file will be."""
    pus = len(program.pus) if window.pu is None else 1
    return (window.last - window.first + 1) * pus * BYTES_PER_CYCLE


def record(folder: Path, program: Program, array: str, window: Window) -> Path:
    """Runs what is in the folder of a run again up to the end of the window; gives `waves/waves.fst` in it.

    Raises:
        ToolError: Icarus is not installed, or the simulation died.
    """
    place = folder / "waves"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in (PROGRAM, "images.npy"):
        (place / name).symlink_to(Path("..") / name)
    build_dir = simulator.build("icarus", program.arch, array, BUILD / "simulator")
    plusargs = [f"+waves={FILE}"] + ([] if window.pu is None else [f"+waves_pu={window.pu}"])
    job = Job(array, front_door=False, window=(window.first, window.last))
    simulator.run("icarus", build_dir, place.resolve(), job, 0, lambda progress: None, plusargs)
    for stale in (*place.glob("capture_*.bin"), *place.glob("events_*.bin")):
        stale.unlink()
    write_save(program, window, place)
    return place / FILE


def recorded(folder: Path, program: Program, array: str, window: Window) -> str:
    """Records a window of a run that went wrong; gives the end of a sentence that says where, or why not."""
    try:
        return f"; waves of {window}: {record(folder, program, array, window)}"
    except ToolError as error:
        return f"; no waves: {error}"


def write_save(program: Program, window: Window, place: Path) -> None:
    """`waves.gtkw` and its translation filters beside the waves."""
    write_text(place / "opcodes.txt", "".join(f"{number:x} {name}\n" for name, number in isa.OPCODES.items()))
    bits = max(1, (program.arch.contexts - 1).bit_length())
    widths = {"word": program.arch.word_bits, "ctx": bits, "8": 8}
    text = io.StringIO()
    save = GTKWSave(text)
    save.dumpfile(str((place / FILE).resolve()))
    save.trace("tb.clk")
    save.trace("tb.now[31:0]", datafmt="dec")
    for node in program.pus if window.pu is None else [window.pu]:
        hosted = [actor for actor in program.actors if actor.node == node]
        actors = place / f"actors_{node:02d}.txt"
        write_text(actors, "".join(f"{actor.context:x} {actor.name}\n" for actor in hosted))
        with save.group(f"PU {node}: {' '.join(actor.name for actor in hosted)}"):
            opcode = f"tb.gen_capture[{node}].gen_pu.opcode[{isa.OPCODE.bits - 1}:0]"
            save.trace(opcode, datafmt="hex", translate_filter_file=str((place / "opcodes.txt").resolve()))
            for names in SIGNALS:
                for name in names:
                    shown = str(actors.resolve()) if name.endswith("[ctx]") else None
                    ranged = re.sub(r"\[(\w+)\]", lambda found: f"[{widths[found[1]] - 1}:0]", name)
                    place_of = f"tb.u_chip.gen_node[{node}].gen_pu.u_pu.{ranged}"
                    save.trace(place_of, datafmt="hex", translate_filter_file=shown)
                save.blank()
    write_text(place / "waves.gtkw", text.getvalue())
