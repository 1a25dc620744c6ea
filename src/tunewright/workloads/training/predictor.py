"""Answers of a network that was handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from tunewright.core.registry import resolve
from tunewright.errors import InputError
from tunewright.workloads.training.framework import Array

ONNX = "tunewright.workloads.training.onnx_answers:answers_of"
NETWORKS = {
    "torch": "tunewright.workloads.training.pytorch.bundling:answering",
    "keras": "tunewright.workloads.training.keras.bundling:answering",
}


@final
@dataclass(frozen=True)
class NetworkPredictor:
    """Answers rows as they were learned from.

    classes: what is answered, () for numbers. shape: of one row. scaled: whole numbers of 8 bits
    are taken from 0 to 1. logits: what the network says is still to become probabilities.
    """

    classes: tuple[Any, ...]
    shape: tuple[int, ...]
    scaled: bool
    logits: bool
    _answers: Callable[[Array], Array]

    def predict(self, rows: Any) -> Array:
        """The class of each row, or its number. Raises InputError for rows of another shape."""
        said = self._said(rows)
        if not self.classes:
            return said.reshape(len(said))
        names = np.asarray(self.classes)
        return np.asarray(names[self._probabilities(said).argmax(axis=1)])

    def predict_proba(self, rows: Any) -> Array:
        """The probability of each class, (rows, classes). Raises InputError without classes."""
        if not self.classes:
            raise InputError("expected a network that tells classes; got one of numbers; predict()")
        return self._probabilities(self._said(rows))

    def _probabilities(self, said: Array) -> Array:
        if said.shape[-1] == 1:  # of two classes, that of the second
            said = np.concatenate((1 - said, said), axis=1)
        said = said[:, : len(self.classes)]
        if not self.logits:
            return said
        raised = np.exp(said - said.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def _said(self, rows: Any) -> Array:
        if hasattr(rows, "detach"):
            rows = rows.detach().cpu().numpy()
        x = np.asarray(rows)
        if x.shape[1:] != self.shape or x.dtype.kind not in "fiub":
            raise InputError(
                f"expected an array of rows, each of the shape {self.shape}; got {x.dtype} of "
                f"shape {x.shape}; for one row say rows[None]"
            )
        if self.scaled and x.dtype == np.uint8:
            return self._answers(x.astype(np.float32) / np.float32(255))
        return self._answers(x.astype(np.float32))


def predictor(index: Mapping[str, Any], files: Mapping[str, bytes]) -> NetworkPredictor:
    """The predictor of a bundle. Raises InputError where nothing here can run its network."""
    if "model.onnx" in files:
        answers = resolve(ONNX)(files["model.onnx"])
    elif index["model"] or index["framework"] == "keras":
        answers = resolve(NETWORKS[index["framework"]])(index, files)
    else:
        raise InputError(
            "expected a network that can be made here; got one whose class was defined in a "
            f"program of its own, and {index.get('no_onnx', 'no ONNX')}; put the class into a "
            "module and tune again, or load weights.safetensors into it"
        )
    return NetworkPredictor(
        tuple(index["classes"]), tuple(index["shape"]), bool(index["scaled"]),
        bool(index.get("logits", True)), answers,
    )  # fmt: skip
