# SPDX-License-Identifier: Apache-2.0
"""Writes the models of this folder, as both exporters of PyTorch do: NAME_script.onnx and NAME_dynamo.onnx.

python tests/mapping/exported/export.py

PyTorch is no dependency of the project: the files are kept. They come from torch 2.13.0 with onnxscript and onnx; later
versions will do. The networks are small forms of what people export: a residual network, one of inverted residuals, a
U-Net that pads what it joins, an up-scaler, a shuffled network with squeeze and excite, one that takes pixels apart,
one of rows, and vision transformers with attention as timm and as torchvision have it.
"""

import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FOLDER = Path(__file__).parent


def layer(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, but for its stride, and its normalisation."""
    conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout))


class Residual(nn.Module):
    """Two layers, and what they read beside them."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = layer(cin, cout, 3, stride), layer(cout, cout, 3)
        self.short = nn.Identity() if stride == 1 else layer(cin, cout, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.short(x))


class ResNet(nn.Module):
    """A stem, two blocks, a mean, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(layer(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.blocks = nn.Sequential(Residual(8, 8, 1), Residual(8, 16, 2))
        self.mean, self.last = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.flatten(self.mean(self.blocks(self.stem(x))), 1))


class Inverted(nn.Module):
    """MobileNetV2's block."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            layer(cin, 2 * cin, 1), nn.ReLU6(), layer(2 * cin, 2 * cin, 3, stride, 2 * cin), nn.ReLU6(),
            layer(2 * cin, cout, 1),
        )  # fmt: skip
        self.skip = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skip else self.body(x)


class MobileNet(nn.Module):
    """Two such blocks, and a shape that is computed from sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            layer(3, 8, 3, 2), nn.ReLU6(), Inverted(8, 8, 1), Inverted(8, 12, 2), nn.Conv2d(12, 24, 1), nn.Hardswish()
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(24, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.view(x.size(0), -1))


class UNet(nn.Module):
    """Down and up once; what comes up is padded to the size of what it is joined with."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.inner, self.out = layer(3, 6, 3), layer(6, 10, 3), layer(12, 6, 3)
        self.up, self.classes = nn.ConvTranspose2d(10, 6, 2, 2), nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        large = F.relu(self.down(x))
        small = self.up(F.relu(self.inner(F.max_pool2d(large, 2))))
        rows, columns = (large.shape[axis] - small.shape[axis] for axis in (2, 3))
        small = F.pad(small, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.classes(F.relu(self.out(torch.cat([large, small], 1))))


class UpScaler(nn.Module):
    """Channels become pixels at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.slope, self.last = nn.Conv2d(3, 8, 5, padding=2), nn.PReLU(), nn.Conv2d(8, 12, 3, padding=1)
        self.spread = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(self.spread(self.last(self.slope(self.first(x)))), 0, 1)


class Shuffled(nn.Module):
    """Halves of channels that are shuffled, slopes per channel, squeeze and excite, an enlargement."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.side, self.depthwise = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(8, 8, 1), layer(16, 16, 3, 1, 16)
        self.slopes, self.squeeze, self.excite = nn.PReLU(16), nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.last = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = F.silu(self.stem(x)).chunk(2, 1)
        x = torch.cat([left, F.gelu(self.side(right))], 1)
        n, c, h, w = x.shape
        x = self.slopes(self.depthwise(x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)))
        x = x * torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return F.log_softmax(self.last(F.interpolate(x, scale_factor=2, mode="nearest")), 1)


class Focus(nn.Module):
    """Every other pixel as channels, by slices first, then by PixelUnshuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.apart, self.last = nn.Conv2d(12, 8, 3, padding=1), nn.PixelUnshuffle(2), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)
        return self.last(self.apart(F.leaky_relu(self.first(x), 0.1)))


class Row(nn.Module):
    """One dimension: down, up, a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.last = nn.Conv1d(2, 6, 5, 2, 2), nn.ConvTranspose1d(6, 4, 4, 2, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.up(F.elu(self.down(x))).mean(-1))


class Attention(nn.Module):
    """Query, key and value from one layer, as timm has it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.project = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.project(x.transpose(1, 2).reshape(b, n, c))


class Multihead(nn.Module):
    """PyTorch's own, as torchvision has it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x, need_weights=False)[0]


class Block(nn.Module):
    """A transformer's block, norms first."""

    def __init__(self, width: int, attention: nn.Module) -> None:
        super().__init__()
        self.norm1, self.norm2, self.attention = nn.LayerNorm(width), nn.LayerNorm(width), attention
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """Patches, a class token, positions, two blocks, a classifier of that token."""

    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, 24, 4, 4), nn.Parameter(torch.randn(1, 1, 24))
        self.places = nn.Parameter(torch.randn(1, 17, 24))
        self.blocks = nn.Sequential(*(Block(24, kind(24, 3)) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(24), nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class Vit(Transformer):
    """With attention as timm has it."""

    def __init__(self) -> None:
        super().__init__(Attention)


class Vision(Transformer):
    """With attention as torchvision has it."""

    def __init__(self) -> None:
        super().__init__(Multihead)


MODELS: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "resnet": (ResNet, (3, 32, 32)), "mobilenet": (MobileNet, (3, 32, 32)), "u_net": (UNet, (3, 9, 12)),
    "up_scaler": (UpScaler, (3, 8, 8)), "shuffled": (Shuffled, (3, 16, 16)), "focus": (Focus, (3, 16, 16)),
    "row": (Row, (2, 32)), "vit": (Vit, (3, 16, 16)), "vision": (Vision, (3, 16, 16)),
}  # fmt: skip


def scatter(model: nn.Module) -> None:
    """Statistics and slopes as training leaves them, not as they begin."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.2)
        if isinstance(part, nn.LayerNorm):
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.2)
        if isinstance(part, nn.PReLU):
            part.weight.data.uniform_(-0.2, 0.5)


def main() -> None:
    """Write them all."""
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    for name, (kind, shape) in MODELS.items():
        model, image = kind().eval(), torch.randn(1, *shape)
        scatter(model)
        torch.onnx.export(model, (image,), FOLDER / f"{name}_script.onnx", dynamo=False, opset_version=17)
        torch.onnx.export(
            model, (image,), FOLDER / f"{name}_dynamo.onnx", dynamo=True, opset_version=18, external_data=False
        )


if __name__ == "__main__":
    main()
