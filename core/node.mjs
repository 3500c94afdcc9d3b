// Runs core's tests, built for wasm32-wasip1, in Node: `node core/node.mjs tests.wasm [what libtest takes]`.
//
// The filter is built for the same target, and V8 is what Envoy runs it in. Node's own WASI is all that is needed.

import { readFile } from 'node:fs/promises';
import { argv, env } from 'node:process';
import { WASI } from 'node:wasi';

const [, , file, ...options] = argv;
const wasi = new WASI({ version: 'preview1', args: [file, ...options], env, returnOnExit: false });
const module = await WebAssembly.compile(await readFile(file));
wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
