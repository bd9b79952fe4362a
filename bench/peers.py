"""The same networks as a user of PyTorch would write them: eager, channels-last, autocast to bfloat16.

Only the speed and the memory of a step matter here; weights are random, as in the works they are compared with.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512))
YUV = ((0.299, 0.587, 0.114), (-0.14714119, -0.28886916, 0.43601035), (0.61497538, -0.51496512, -0.10001026))


class Encoder(nn.Module):
    """VGG16 up to conv4_3, tapped before each pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        before = 3
        for convolutions, channels in BLOCKS:
            layers: list[nn.Module] = []
            for _ in range(convolutions):
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True)]
                before = channels
            self.blocks.append(nn.Sequential(*layers))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(functional.max_pool2d(x, 2) if index else x)
            taps.append(x)
        return taps


def block(before: int, after: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(after, eps=1e-3, momentum=0.01),
        nn.LeakyReLU(0.01, inplace=True),
    )


def upsample(x: torch.Tensor, factor: int) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.norms = nn.ModuleList(nn.BatchNorm2d(c, eps=1e-3, momentum=0.01) for c in (3, 64, 128, 256, 512))
        self.conv4, self.conv3, self.conv2 = block(512, 256, 1), block(256, 128, 3), block(128, 64, 3)
        self.head1, self.head2 = block(64, 3, 3), block(3, 3, 3)
        self.last = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        conv1, conv2, conv3, conv4 = self.encoder(x)
        norm0, norm1, norm2, norm3, norm4 = self.norms
        y = self.conv4(norm4(conv4))
        y = self.conv3(upsample(y, 2) + norm3(conv3))
        y = self.conv2(upsample(y, 2) + norm2(conv2))
        y = self.head1(upsample(y, 2) + norm1(conv1))
        return self.last(self.head2(y + norm0(x)))


class Hypercolumn(nn.Module):
    """The plain form: 963 channels at full size."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.conv1, self.conv2 = block(963, 128, 3), block(128, 64, 3)
        self.last = nn.Conv2d(64, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        conv1, *coarse = self.encoder(x)
        maps = [x, conv1, *(upsample(tap, 2 << level) for level, tap in enumerate(coarse))]
        return self.last(self.conv2(self.conv1(torch.cat(maps, 1))))


NETWORKS = {"residual": Residual, "hypercolumn": Hypercolumn}


def build(spec: dict[str, Any]) -> tuple[Callable[[], Any], dict[str, Any]]:
    """A training step of `spec["model"]`: all weights, AdamW, mean squared error on UV."""
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = spec["precision"]
    model = NETWORKS[spec["model"]]().to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    shape = (spec["batch_size"], 3, spec["crop"], spec["crop"])
    rgb = torch.randint(0, 256, shape, dtype=torch.uint8, device=device).to(memory_format=torch.channels_last)
    matrix = torch.tensor(YUV, device=device)[:, :, None, None]
    mean = torch.tensor((103.939, 116.779, 123.68), device=device)[None, :, None, None]

    def call() -> float:
        yuv = functional.conv2d(rgb.float() / 255, matrix)
        vgg_input = (yuv[:, :1] * 255 - mean).to(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            uv = model(vgg_input)
        loss = functional.mse_loss(uv.float(), yuv[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return call, {"precision": precision, "jit": False, "operations": lambda: None}
