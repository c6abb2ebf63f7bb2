"""Starting onnxruntime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from earmark.errors import ModelError

if TYPE_CHECKING:
    import onnxruntime


def start_session(graph: bytes, name: str, threads: int = 1) -> onnxruntime.InferenceSession:
    """Start onnxruntime on a serialised ONNX model, with so many threads within one call.

    Raises ModelError, which calls the model `name`, if the runtime refuses the graph.
    """
    # set before the import: telemetry would write to the user's cache folder, and call home
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # 3: errors only; by default warnings go to stderr too
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no public parent
        raise ModelError(f"{name}: onnxruntime refuses the graph ({str(error).splitlines()[0]})") from error
