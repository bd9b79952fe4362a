"""Makes released weights of a finished run."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.models.encoders import ENCODERS
from zoo.models.registry import get_card
from zoo.models.releases import FOLDER, Release, decoder_variables
from zoo.results import load_result
from zoo.support.files import atomic_path, write_text


def release(
    network: Any, run_dir: Path, name: str, *, data: str, attribution: str, licence: str, folder: Path = FOLDER
) -> Release:
    """Makes released weights of a finished run's best model.

    Args:
        network: that model.
        run_dir: the run directory.
        name: what `weights=` takes.
        data: what the run was trained on.
        attribution: whom the licences of the data want named.
        licence: of the weights.
        folder: where to.

    Raises:
        UsageError: the run is not done, trained its encoder, or began from one that others cannot get.
    """
    import numpy as np

    if not name.replace("-", "").isalnum():
        raise UsageError(f"a name of weights has letters, digits and hyphens: {name!r} has others")
    result = load_result(run_dir / "result.json", "training")
    config, environment = result.details["config"], result.details["environment"]
    if config["train_encoder"] or config["encoder_weights"] != "imagenet":
        raise UsageError(f"{run_dir}: only decoders on the frozen ImageNet encoder are released, to be a few MB")
    encoder = config.get("encoder", get_card(config["model"]).encoder)
    if encoder not in ENCODERS:
        raise UsageError(f"{run_dir}: the weights of its encoder {encoder} do not come with the package")
    arrays = {}
    for key, value in decoder_variables(network).items():
        array = np.asarray(value)
        # Vectors are few, and the variances of the encoder's maps are beyond half precision.
        arrays[key] = array if array.ndim < 2 else array.astype(np.float16)
        if not np.isfinite(arrays[key]).all():
            raise UsageError(f"{run_dir}: {key} does not fit into half precision")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{config['model']}-{name}.npz"
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    scores = {row["variant"]: row["value"] for row in result.rows if row["metric"] == "rmse_ab" and row["model"]}
    card = Release(
        model=config["model"],
        name=name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        options=config["model_options"],
        data=data,
        attribution=attribution,
        licence=licence,
        config={key: value for key, value in config.items() if key not in ("data", "model_options", "model")},
        commit=environment.get("commit") or "unknown",
        scores=scores,
    )
    write_text(path.with_suffix(".toml"), _toml(dataclasses.asdict(card)))
    return card


def _toml(values: dict[str, Any]) -> str:
    """A card as TOML: plain values, then tables of plain values."""

    def line(key: str, value: Any) -> str:
        return f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}"

    plain = [line(key, value) for key, value in values.items() if not isinstance(value, dict)]
    tables = [
        "\n".join([f"\n[{key}]", *(line(k, v) for k, v in value.items())])
        for key, value in values.items()
        if isinstance(value, dict)
    ]
    return "\n".join([*plain, *tables]) + "\n"
