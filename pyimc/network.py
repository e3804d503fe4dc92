"""The quantised network: the integer meaning of a CNN, against which every level is checked.

Activations are uint8 maps in height, width, channel order with one scale and zero point per tensor; the batch
is one. Weights are int8 per output channel without a zero point. Nodes are operators, each of a kind that
`pyimc.operators` has a file for, with its formula; `docs/numerics.md` explains them. `pyimc.golden` computes a network
exactly, `pyimc.network_rules` says when it is well formed.
"""

from dataclasses import dataclass

from pyimc.operators.add import Add as Add
from pyimc.operators.column import Column as Column
from pyimc.operators.concat import Concat as Concat
from pyimc.operators.crop import Crop as Crop
from pyimc.operators.depth_to_space import DepthToSpace as DepthToSpace
from pyimc.operators.depthwise import Depthwise as Depthwise
from pyimc.operators.extreme import Extreme as Extreme
from pyimc.operators.lut import Lut as Lut
from pyimc.operators.matmul import Matmul as Matmul
from pyimc.operators.mul import Mul as Mul
from pyimc.operators.mvm import Mvm as Mvm
from pyimc.operators.mvm import Part as Part
from pyimc.operators.normalise import Normalise as Normalise
from pyimc.operators.operator import Operator
from pyimc.operators.pairwise import Pairwise as Pairwise
from pyimc.operators.pool import Pool as Pool
from pyimc.operators.resize import Resize as Resize
from pyimc.operators.softmax import Softmax as Softmax
from pyimc.operators.stored import Stored as Stored
from pyimc.operators.sub import Sub as Sub
from pyimc.operators.transpose import Transpose as Transpose
from pyimc.operators.window import Pads as Pads
from pyimc.operators.window import valid_counts as valid_counts
from pyimc.operators.window import window_shape as window_shape
from pyimc.tensors import PARTIAL_BYTES as PARTIAL_BYTES
from pyimc.tensors import Pair as Pair
from pyimc.tensors import TensorType as TensorType

ACCUMULATOR_MAX = 2**31 - 1

Node = Operator


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A quantised CNN.

    Attributes:
        input: Tensor that the host sends.
        outputs: Tensors that the host receives.
        tensors: Type of every tensor, by name.
        nodes: In an order in which every node follows its producers.
        host_tail: Operators behind the outputs that are left to the host, such as "Softmax".
    """

    name: str
    input: str
    outputs: tuple[str, ...]
    tensors: dict[str, TensorType]
    nodes: tuple[Node, ...]
    host_tail: tuple[str, ...] = ()

    def sources(self, node: Node) -> tuple[TensorType, ...]:
        """Types of a node's inputs, by port."""
        return tuple(self.tensors[name] for name in node.inputs)

    def target(self, node: Node) -> TensorType:
        """Type of a node's output."""
        return self.tensors[node.output]

    def macs(self) -> int:
        """Multiply-accumulates of an image."""
        return sum(node.macs(self.sources(node)) for node in self.nodes)
