"""LightGBM's C library without its Python package, whose import takes a second."""

from __future__ import annotations

import ctypes
import weakref
from array import array
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import final

import numpy as np

from tunewright.errors import InputError, TunewrightError
from tunewright.workloads.tabular.data import Floats, Runtime, Schema

# Constants of LightGBM's c_api.h.
_NORMAL, _DOUBLE, _ROW_MAJOR = ctypes.c_int(0), ctypes.c_int(1), ctypes.c_int(1)
_FIRST, _ALL = ctypes.c_int(0), ctypes.c_int(-1)  # iterations


def native(files: Mapping[str, bytes], schema: Schema, threads: int) -> Runtime:
    """Predicts exactly what LightGBM's own Booster does, at a few microseconds a row."""
    model = _Model(files["model.txt"], schema, threads)
    return Runtime(model.row, model.batch)


@final
class _Model:
    """A loaded model; what LightGBM allocated for it is freed with it."""

    def __init__(self, text: bytes, schema: Schema, threads: int) -> None:
        library = _library()
        self._booster, self._fast = ctypes.c_void_p(), ctypes.c_void_p()
        self._parameters = f"num_threads={threads} verbosity=-1".encode()
        self._outputs = len(schema.classes) if len(schema.classes) > 2 else 1
        self._answers = ctypes.c_double * self._outputs
        # LightGBM wants to say how many answers it gave.
        self._count = ctypes.byref(ctypes.c_int64())
        _check(
            library.LGBM_BoosterLoadModelFromString(
                text, ctypes.byref(ctypes.c_int()), ctypes.byref(self._booster)
            )
        )
        weakref.finalize(self, library.LGBM_BoosterFree, self._booster)
        _check(
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster, _NORMAL, _FIRST, _ALL, _DOUBLE, ctypes.c_int32(len(schema.features)),
                self._parameters, ctypes.byref(self._fast),
            )
        )  # fmt: skip
        weakref.finalize(self, library.LGBM_FastConfigFree, self._fast)
        self._answer = library.LGBM_BoosterPredictForMatSingleRowFast

    def row(self, values: array[float]) -> Sequence[float]:
        """See Runtime."""
        out = self._answers()
        _check(self._answer(self._fast, values.buffer_info()[0], self._count, out))
        return out  # type: ignore[return-value]  # an array of C doubles is a sequence of floats

    def batch(self, x: Floats) -> Floats:
        """See Runtime."""
        x = np.ascontiguousarray(x, np.float64)
        out = np.empty((len(x), self._outputs))
        _check(
            _library().LGBM_BoosterPredictForMat(
                self._booster, ctypes.c_void_p(x.ctypes.data), _DOUBLE, ctypes.c_int32(x.shape[0]),
                ctypes.c_int32(x.shape[1]), _ROW_MAJOR, _NORMAL, _FIRST, _ALL,
                self._parameters, self._count, ctypes.c_void_p(out.ctypes.data),
            )
        )  # fmt: skip
        return out if self._outputs > 1 else out[:, 0]


@cache
def _library() -> ctypes.CDLL:
    """The shared library inside LightGBM's package, loaded without importing the package."""
    spec = find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise InputError("expected LightGBM to be installed; got none; run 'pip install lightgbm'")
    folder = Path(spec.origin).parent
    libraries = [
        p for p in folder.glob("*/*lib_lightgbm.*") if p.suffix in (".so", ".dylib", ".dll")
    ]
    if not libraries:
        raise InputError(f"expected LightGBM's library in {folder}; got none; install it again")
    library = ctypes.CDLL(str(libraries[0]))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    library.LGBM_BoosterFree.argtypes = library.LGBM_FastConfigFree.argtypes = [ctypes.c_void_p]
    library.LGBM_BoosterPredictForMatSingleRowFast.argtypes = [ctypes.c_void_p] * 4
    return library


def _check(code: int) -> None:
    """Raise what LightGBM says where a call of it failed."""
    if code:
        raise TunewrightError(f"LightGBM failed: {_library().LGBM_GetLastError().decode()}")
