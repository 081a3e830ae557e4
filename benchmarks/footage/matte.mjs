// Mattes of a shot by RVM: node matte.mjs PACKAGES FRAMES.raw OUT.raw WIDTH HEIGHT COUNT
// FRAMES.raw has COUNT pictures of HEIGHT x WIDTH x 3 bytes, OUT.raw gets COUNT mattes of HEIGHT x WIDTH bytes.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const [packages, source, target, ...numbers] = process.argv.slice(2);
const [width, height, count] = numbers.map(Number);
const load = createRequire(path.join(packages, 'node_modules', 'here.js'));
const tf = load('@tensorflow/tfjs');
const wasm = load('@tensorflow/tfjs-backend-wasm');

// Two networks' worth of memory is kept from frame to frame: what it remembers of the frames before.
const DOWNSAMPLE = 0.5;

async function open(folder) {
  const found = JSON.parse(fs.readFileSync(path.join(folder, 'rvm.json'), 'utf8'));
  const parts = found.weightsManifest.flatMap((group) => group.paths.map((name) => fs.readFileSync(path.join(folder, name))));
  const all = Buffer.concat(parts);
  return tf.loadGraphModel(tf.io.fromMemory({
    modelTopology: found.modelTopology,
    weightSpecs: found.weightsManifest.flatMap((group) => group.weights),
    weightData: all.buffer.slice(all.byteOffset, all.byteOffset + all.length),
  }));
}

wasm.setWasmPaths(path.dirname(load.resolve('@tensorflow/tfjs-backend-wasm')) + path.sep);
await tf.setBackend('wasm');
await tf.ready();
const model = await open(path.join(packages, 'node_modules', '@vladmandic', 'human-models', 'models'));
const frames = fs.openSync(source, 'r');
const mattes = fs.openSync(target, 'w');
const bytes = Buffer.alloc(width * height * 3);
let memory = ['r1i', 'r2i', 'r3i', 'r4i'].map(() => tf.tensor(0));
const ratio = tf.tensor(DOWNSAMPLE);
for (let index = 0; index < count; index += 1) {
  fs.readSync(frames, bytes, 0, bytes.length, null);
  const src = tf.tidy(() => tf.tensor(new Uint8Array(bytes), [1, height, width, 3], 'int32').toFloat().div(255));
  const [r1i, r2i, r3i, r4i] = memory;
  const inputs = { src, r1i, r2i, r3i, r4i, downsample_ratio: ratio };
  const [matte, ...next] = await model.executeAsync(inputs, ['pha', 'r1o', 'r2o', 'r3o', 'r4o']);
  const levels = tf.tidy(() => matte.mul(255).round().clipByValue(0, 255).toInt());
  fs.writeSync(mattes, Uint8Array.from(await levels.data()));
  tf.dispose([src, matte, levels, ...memory]);
  memory = next;
}
