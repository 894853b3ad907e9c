// One model on ONNX Runtime's WebGPU provider, for tools/bench_peers: prints one line
// "RESULT {…}", writes out_N.bin. In: folder of node_modules, io.json, model, folder for outputs,
// seconds, least runs. Fails if no node ran on WebGPU: the provider falls back in silence.
import {createRequire} from 'node:module';
import {existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {performance} from 'node:perf_hooks';

const [modules, factsPath, model, out, secondsText, leastText] = process.argv.slice(2);
const ort = createRequire(join(modules, 'package.json'))('onnxruntime-node');
const facts = JSON.parse(readFileSync(factsPath, 'utf8'));
const arrays = {
    float32: Float32Array, float64: Float64Array, int8: Int8Array, uint8: Uint8Array,
    int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array,
    int64: BigInt64Array, uint64: BigUint64Array, bool: Uint8Array, float16: Uint16Array,
};

function read(input) {
    const bytes = readFileSync(input.file);
    const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    return new ort.Tensor(input.dtype, new arrays[input.dtype](copy), input.shape);
}

// how many nodes ran on the device, by ONNX Runtime's own profile
function countNodes(folder) {
    let nodes = 0;
    for (const name of readdirSync(folder).filter(n => n.endsWith('.json')))
        for (const event of JSON.parse(readFileSync(join(folder, name), 'utf8')))
            nodes += event.cat === 'Node' && event.args?.provider === 'WebGpuExecutionProvider';
    return nodes;
}

async function main() {
    const seconds = Number(secondsText), least = Number(leastText);
    const traces = join(out, 'traces');
    const options = {executionProviders: ['webgpu'], logSeverityLevel: 3};
    if (!seconds) {
        if (!existsSync(traces)) mkdirSync(traces);
        options.enableProfiling = true;
        options.profileFilePrefix = join(traces, 'trace');
    }
    const start = performance.now();
    const session = await ort.InferenceSession.create(model, options);
    const created = performance.now();
    const feeds = Object.fromEntries(facts.inputs.map(input => [input.name, read(input)]));
    const got = await session.run(feeds);
    const first = performance.now();
    const outputs = facts.outputs.map((output, index) => {
        const tensor = got[output.name], data = tensor.data;
        writeFileSync(join(out, `out_${index}.bin`),
                      Buffer.from(data.buffer, data.byteOffset, data.byteLength));
        return [tensor.type, tensor.dims];
    });
    const times = [], begin = performance.now();
    while (seconds && (times.length < least || performance.now() - begin < 1e3 * seconds)) {
        const before = performance.now();
        await session.run(feeds);
        times.push(performance.now() - before);
        if (performance.now() - begin > 1e4 * seconds + 5e3) break;
    }
    const result = {create_ms: created - start, first_ms: first - created, times, outputs};
    if (!seconds) {
        session.endProfiling();
        result.device_nodes = countNodes(traces);
        if (!result.device_nodes) throw new Error('no node ran on WebGPU: all fell back');
    }
    process.stdout.write(`RESULT ${JSON.stringify(result)}\n`, () => process.exit(0));
}

main().catch(error => {
    console.error(`Error: ${String(error.message ?? error).split('\n')[0]}`);
    process.exit(1);
});
