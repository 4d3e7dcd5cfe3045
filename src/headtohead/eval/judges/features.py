"""Features in which pictures are compared as sets: clean-fid's Inception, DINOv2 through timm, an open_clip tower.

Each takes pictures (3, H, W) in [0, 1] of any size and resizes them in its own way.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from headtohead.config.published_models import COLOURS, DINOV2, INCEPTION, Resizer
from headtohead.eval.judges import colours
from headtohead.pretrained.loading import shipped
from headtohead.pretrained.loading.by_name import Identity, ModelError, fetched, weights_hash
from headtohead.synthetic.vocabulary import PICTURE_SIDE

INSIDE = 299  # side of Inception's input, in pixels
CACHE = Path.home() / ".cache" / "headtohead"


@dataclass(frozen=True)
class Features:
    """A feature space: how a picture is prepared, and the network.

    prepare  one picture (3, H, W) in [0, 1] to the network's input
    model    (B, ...) to features (B, d)
    """

    space: str
    resizer: str
    identity: Identity
    prepare: Callable[[Tensor], Tensor]
    model: Callable[[Tensor], Tensor]
    device: str

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Tensor]) -> NDArray[np.float64]:
        batch = torch.stack([self.prepare(p) for p in pictures]).to(self.device)
        return self.model(batch).double().cpu().numpy()


def load(space: str, device: str, resizer: Resizer = "clean", weights: str = "") -> Features:
    """Load a feature space.

    space    inception, dinov2, clip or shipped
    resizer  of Inception, as clean-fid names them
    weights  Inception's file, a timm model's, or MODEL:PRETRAINED of open_clip; the official ones when empty
    """
    spaces = {"inception": _inception, "dinov2": _dinov2, "clip": _clip, "shipped": _shipped}
    return spaces[space](device, resizer, weights)


def _inception(device: str, resizer: Resizer, weights: str) -> Features:
    from cleanfid.resize import build_resizer

    model, identity = (_pytorch if resizer == "legacy_pytorch" else _torchscript)(device, resizer, weights)
    with warnings.catch_warnings():  # one of its resizers silences every warning of the process
        resize = build_resizer(resizer)

    def prepare(picture: Tensor) -> Tensor:
        pixels = (picture * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        return torch.from_numpy(np.ascontiguousarray(np.asarray(resize(pixels), np.float32).transpose(2, 0, 1)))

    return Features("inception", resizer, identity, prepare, model, device)


def _torchscript(device: str, resizer: Resizer, weights: str) -> tuple[Callable[[Tensor], Tensor], Identity]:
    """The TorchScript network of clean-fid and the original FID; it resizes pictures itself for legacy_tensorflow."""
    from cleanfid.downloads_helper import check_download_inception, inception_url

    path = Path(weights) if weights else CACHE / INCEPTION
    if weights and not path.is_file():
        raise ModelError(f"--weights {path}: no such file")
    if not path.exists() and not weights:
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            check_download_inception(str(CACHE))
        except OSError as error:
            path.unlink(missing_ok=True)  # clean-fid leaves an empty file
            raise ModelError(
                f"Inception: cannot be fetched ({error}); download {inception_url} and give --weights FILE"
            ) from None
    try:
        base = torch.jit.load(str(path), map_location=device).eval()
        with torch.no_grad():
            base.layers.forward(torch.zeros(1, 3, INSIDE, INSIDE, device=device))
    except (RuntimeError, ValueError, OSError, AttributeError) as error:
        place = f"--weights {path}" if weights else f"{path} (delete it, and it is fetched anew)"
        raise ModelError(f"{place}: is no Inception ({' '.join(str(error).split())[:80]})") from None

    def model(x: Tensor) -> Tensor:
        if resizer == "legacy_tensorflow":
            out: Tensor = base(x, return_features=True)
        else:
            out = base.layers.forward((x - 128) / 128)
        return out.view(len(x), -1)

    return model, Identity(weights or INCEPTION, weights_hash(dict(base.state_dict())))


def _pytorch(device: str, resizer: Resizer, weights: str) -> tuple[Callable[[Tensor], Tensor], Identity]:
    """The PyTorch port, whose weights torch.hub keeps."""
    from cleanfid.inception_pytorch import FID_WEIGHTS_URL, InceptionV3

    if weights:
        raise ModelError("--weights: legacy_pytorch takes its weights from torch.hub's cache (TORCH_HOME)")
    try:
        net = InceptionV3(output_blocks=[3], resize_input=False).to(device).eval()
    except OSError as error:
        raise ModelError(
            f"Inception (legacy_pytorch): cannot be fetched ({error}); download {FID_WEIGHTS_URL} into "
            f"{torch.hub.get_dir()}/checkpoints"
        ) from None
    identity = Identity(FID_WEIGHTS_URL.rsplit("/", 1)[1], weights_hash(net.state_dict()))
    return lambda x: net(x / 255)[0].flatten(1), identity


def _dinov2(device: str, resizer: Resizer, weights: str) -> Features:
    """A timm model trained without ImageNet's labels."""
    import timm
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    def make() -> Any:
        if weights:
            return timm.create_model(DINOV2, pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": weights})
        return timm.create_model(DINOV2, pretrained=True, num_classes=0)

    if weights and not Path(weights).is_file():
        raise ModelError(f"--weights {weights}: no such file")
    net = fetched("DINOv2", f"timm/{DINOV2}", "--weights", make, file=weights or "FILE").to(device).eval()
    transform = create_transform(**resolve_model_data_config(net), is_training=False)
    identity = Identity(DINOV2, weights_hash(net.state_dict()))
    return Features("dinov2", "timm", identity, _through_pil(transform), net, device)


def _clip(device: str, resizer: Resizer, weights: str) -> Features:
    """An open_clip tower; its distances favour designs that predict CLIP features, which results note."""
    net, transform, identity = colours.clip_model(weights or COLOURS, "CLIP", "--weights", device)
    return Features("clip", "open_clip", identity, _through_pil(transform), net.eval().encode_image, device)


def _shipped(device: str, resizer: Resizer, weights: str) -> Features:
    """The package's own small net, made from pictures of the embedded dataset; needs no download."""
    if weights:
        raise ModelError("--weights: --space shipped has weights of its own")
    net = shipped.feature_net(device)

    def prepare(picture: Tensor) -> Tensor:
        size = (PICTURE_SIDE, PICTURE_SIDE)
        return F.interpolate(picture[None], size, mode="bilinear", antialias=True)[0]

    identity = Identity("shipped", weights_hash(net.state_dict()))
    return Features("shipped", "antialiased", identity, prepare, net.eval(), device)


def _through_pil(transform: Callable[[Any], Any]) -> Callable[[Tensor], Tensor]:
    from torchvision.transforms.functional import to_pil_image

    return lambda picture: transform(to_pil_image(picture.cpu()))
