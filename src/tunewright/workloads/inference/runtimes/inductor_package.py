"""Packages of AOTInductor."""

from __future__ import annotations

import io
import logging
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch._inductor import aoti_compile_and_package, aoti_load_package

from tunewright.errors import TrialFailed
from tunewright.workloads.inference.data import Arrays, Compiled, Runner
from tunewright.workloads.inference.frameworks.torch_models import FILE, arrays, tensors

PACKAGE = "compiled.pt2"


def compiled(model: Compiled, _example: Arrays) -> Mapping[str, bytes]:
    """See Runtime. Raises TrialFailed without a C++ compiler, or where it cannot compile."""
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        raise TrialFailed("expected a C++ compiler for torch's; got none; install g++")
    program = torch.export.load(io.BytesIO(model.files[FILE]))
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as place:
            path = aoti_compile_and_package(program, package_path=f"{place}/{PACKAGE}")
            return {PACKAGE: Path(path).read_bytes()}
    except Exception as error:
        raise TrialFailed(
            f"torch cannot compile the model: {' '.join(str(error).split())[:300]}"
        ) from error
    finally:
        logging.disable(before)


def load(model: Compiled) -> Runner:
    """See Runtime."""
    place = Path(tempfile.mkdtemp(prefix="tunewright-"))
    (place / PACKAGE).write_bytes(model.files[PACKAGE])
    package = aoti_load_package(str(place / PACKAGE))
    weakref.finalize(package, shutil.rmtree, place, ignore_errors=True)
    if threads := int(model.settings.get("threads", 0)):
        torch.set_num_threads(threads)

    def call(given: tuple[torch.Tensor, ...]) -> Any:
        with torch.inference_mode():
            return package(*given)

    return Runner(call, tensors, arrays)
