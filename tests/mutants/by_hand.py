"""Five faults that whole networks must notice, each of a kind that no single module's test stands for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.touching import END_TO_END

CHIP = f"{END_TO_END}::test_a_cnn_of_a_seed_is_right_at_every_level"


@dataclass(frozen=True, slots=True)
class Fault:
    """In `file`, `old` (which stands there exactly once) becomes `new`."""

    file: str
    old: str
    new: str
    what: str

    def apply(self, root: Path) -> str:
        """The broken text.

        Raises:
            ValueError: `old` does not stand there once.
        """
        text = (root / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file}: {self.old!r} stands there {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)


FAULTS = (
    Fault("rtl/accumulator.v", "if (clear_q) old", "if (1'b0) old",
          "the first row tile adds to the last pixel's sums"),
    Fault("rtl/drain.v", "pixel_sum_0[24:0], 7'd0}", "pixel_sum_0[24:0], 7'd0} << 1",
          "256 instead of 128 times the input sum is taken off"),
    Fault("rtl/gather.v", "off1_q <= at_q[LANE_BITS-1:0]", "off1_q <= 0", "the byte offset within a word is forgotten"),
    Fault("rtl/sequencer.v", "&& scan_slot_room < scan_produce", "&& 1'b0", "fires without room"),
    Fault("rtl/egress.v", "dest_q + 8'd1 == destinations[send_ctx]", "1'b1",
          "only the first destination gets the packet"),
)  # fmt: skip
