// Name the genre of a WAV file without Earmark. It needs onnxruntime-node, and what 'earmark export --waveform' writes:
//
//   npm install --ignore-scripts onnxruntime-node
//   node classify.js genre.onnx song.wav

const fs = require("node:fs");
const ort = require("onnxruntime-node");

async function main(modelPath, soundPath) {
  const model = fs.readFileSync(modelPath);
  const about = JSON.parse(readMetadata(model)["earmark-export"]);
  const session = await ort.InferenceSession.create(model);
  console.log(JSON.stringify(await classify(session, about, readWav(fs.readFileSync(soundPath), about.input.sample_rate))));
}

// ONNX Runtime for JavaScript does not give a model's metadata. An ONNX file is a protobuf message; field 14 holds a
// pair of strings, 1 the key and 2 the value.
function readMetadata(model) {
  const metadata = {};
  for (const [number, content] of fields(model)) {
    if (number !== 14) continue;
    const pair = Object.fromEntries(fields(content));
    metadata[pair[1].toString()] = pair[2].toString();
  }
  return metadata;
}

function* fields(message) {
  let at = 0;
  const varint = () => {
    let value = 0, scale = 1;
    for (;;) {
      const byte = message[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  while (at < message.length) {
    const key = varint(), kind = key & 7;
    if (kind === 0) varint();
    else {
      const size = kind === 2 ? varint() : kind === 1 ? 8 : 4;
      if (kind === 2) yield [key >>> 3, message.subarray(at, at + size)];
      at += size;
    }
  }
}

// The mean of all channels of a 16-bit WAV file, full scale 1.
function readWav(file, sampleRate) {
  const chunks = {};
  for (let at = 12; at + 8 <= file.length; at += 8 + file.readUInt32LE(at + 4) + (file.readUInt32LE(at + 4) & 1)) {
    chunks[file.toString("latin1", at, at + 4)] = file.subarray(at + 8, at + 8 + file.readUInt32LE(at + 4));
  }
  const format = chunks["fmt "], data = chunks.data;
  if (!format || !data || format.readUInt16LE(14) !== 16 || format.readUInt32LE(4) !== sampleRate) {
    throw new Error(`need a WAV file of 16 bits at ${sampleRate} Hz: ffmpeg -i song.mp3 -ar ${sampleRate} song.wav`);
  }
  const channels = format.readUInt16LE(2);
  const samples = new Float32Array(Math.floor(data.length / 2 / channels));
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += data.readInt16LE(2 * (i * channels + c)) / 32768;
    samples[i] = sum / channels;
  }
  return samples;
}

// Cut clips; the last may be shorter.
function cut(samples, length, hop) {
  const clips = [];
  let start = 0;
  for (; start + length <= samples.length; start += hop) clips.push(samples.subarray(start, start + length));
  // samples that no clip has yet
  const fresh = samples.length - start - (clips.length ? length - hop : 0);
  if (!clips.length || 2 * fresh >= hop) clips.push(samples.subarray(start));
  return clips;
}

// The mean over rows of f of each of their values.
function mean(rows, f = (x) => x) {
  return Array.from(rows[0], (_, i) => rows.reduce((sum, row) => sum + f(row[i]), 0) / rows.length);
}

// Why no genre is named, when the most probable one is below its threshold.
function explainDoubt(p) {
  const [first, second] = [...p].sort((a, b) => b - a);
  if (first + second >= 0.5 && second >= first / 2) return "two genres alike";
  return first >= 0.5 ? "not sure enough" : "no genre stands out";
}

async function classify(session, about, samples) {
  const { length, hop, shortest, silence_db } = about.clips;
  const long = cut(samples, length, hop).filter((clip) => clip.length >= shortest);
  const power = (clip) => clip.reduce((sum, x) => sum + x * x, 0) / clip.length;
  const heard = long.filter((clip) => power(clip) >= 10 ** (silence_db / 10));
  if (!heard.length) return { genre: null, reason: long.length ? "silence" : "too short", genres: {} };

  const outputs = {};
  for (const clip of heard) {
    const input = new ort.Tensor("float32", clip, [1, clip.length]);
    const results = await session.run({ [about.input.name]: input }, Object.keys(about.outputs));
    for (const name in about.outputs) (outputs[name] ??= []).push(results[name].data);
  }
  if (outputs.sound) {
    const kinds = mean(outputs.sound), reason = about.outputs.sound[kinds.indexOf(Math.max(...kinds))];
    if (reason) return { genre: null, reason, genres: {} };
  }
  const scores = mean(outputs.probabilities, (p) => Math.log(Math.max(p, about.least_probability)));
  let p = scores.map((score) => Math.exp(score / about.calibration.track_temperature));
  if (!about.multilabel) {
    const sum = p.reduce((a, b) => a + b);
    p = p.map((x) => x / sum);
  }
  const best = p.indexOf(Math.max(...p));
  const novel = outputs.novelty && mean(outputs.novelty)[0] > about.calibration.novelty;
  const reason = novel ? "unlike what it learned" : p[best] < about.calibration.thresholds[best] ? explainDoubt(p) : null;
  const name = (labels, values) => {
    const pairs = labels.map((label, i) => [label, values[i]]);
    return Object.fromEntries(pairs.sort((a, b) => b[1] - a[1]));
  };
  const answer = {
    genre: reason ? null : about.outputs.probabilities[best],
    reason,
    genres: name(about.outputs.probabilities, p),
  };
  for (const what of ["styles", "moods"]) {
    if (outputs[what]) answer[what] = name(about.outputs[what], mean(outputs[what]));
  }
  return answer;
}

const [modelPath, soundPath] = process.argv.slice(2);
if (!soundPath) {
  console.error("usage: node classify.js genre.onnx song.wav");
  process.exitCode = 2;
} else {
  main(modelPath, soundPath).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
