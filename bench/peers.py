"""The same networks as a user of PyTorch would write them: eager, channels-last, autocast to bfloat16.

Only speed and memory matter here; weights are random, as in the works they are compared with.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from book import pages, plain_loop
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


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NETWORKS = {"residual": Residual, "hypercolumn": Hypercolumn}


def build(spec: dict[str, Any]) -> tuple[Callable[[], Any], dict[str, Any]]:
    """The work of `spec["work"]`; the other keys are its options."""
    torch.manual_seed(0)
    options = {key: value for key, value in spec.items() if key != "work"}
    call = WORKS[spec["work"]](**options)
    return call, {"precision": spec["precision"], "jit": False, "operations": lambda: None}


def training_step(*, model: str, batch_size: int, crop: int, precision: str) -> Callable[[], Any]:
    """A training step: all weights, AdamW, mean squared error on UV."""
    network = NETWORKS[model]().to(DEVICE, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    shape = (batch_size, 3, crop, crop)
    rgb = torch.randint(0, 256, shape, dtype=torch.uint8, device=DEVICE).to(memory_format=torch.channels_last)
    matrix = torch.tensor(YUV, device=DEVICE)[:, :, None, None]

    def call() -> float:
        yuv = functional.conv2d(rgb.float() / 255, matrix)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bfloat16"):
            uv = network(_of_luma(yuv[:, :1]))
        loss = functional.mse_loss(uv.float(), yuv[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return call


def colorize_folder(
    *, model: str, precision: str, batch_size: int, height: int, width: int, side: int
) -> Callable[[], Any]:
    """A folder of pages to PNG, one after another: see `book.plain_loop`."""
    network = NETWORKS[model]().to(DEVICE, memory_format=torch.channels_last).eval()
    folder = pages(batch_size, height, width)

    @torch.inference_mode()
    def chroma(luma: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        whole = torch.from_numpy(luma).to(DEVICE).permute(2, 0, 1)[None]
        # To what three poolings divide.
        even = [max(8, round(each / 8) * 8) for each in size]
        small = functional.interpolate(whole, even, mode="bilinear", antialias=True)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bfloat16"):
            uv = network(_of_luma(small)).float()
        return functional.interpolate(uv, whole.shape[2:], mode="bilinear")[0].permute(1, 2, 0).cpu().numpy()

    return lambda: plain_loop(folder, chroma, side)


def _of_luma(luma: torch.Tensor) -> torch.Tensor:
    """VGG16's input (B, 3, H, W) of luma (B, 1, H, W) in [0, 1]."""
    mean = torch.tensor((103.939, 116.779, 123.68), device=luma.device)[None, :, None, None]
    return (luma * 255 - mean).to(memory_format=torch.channels_last)


WORKS = {"torch_training_step": training_step, "torch_colorize_folder": colorize_folder}
