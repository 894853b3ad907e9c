#!/usr/bin/env python3
"""Times models on Esker and on ONNX Runtime's CPU provider in turn, in one run.

usage: tools/compare_ort.py ESKER MODEL_DIR… [--rounds N] [--set K=V]… [--svg FILE] [--json FILE]

Needs Python's onnxruntime and numpy. Each round runs `esker bench` and then ONNX Runtime with as
many threads as there are cores; the figures are the medians of the rounds' medians, compared as
ratios, since machines are noisy. Inputs come from test_data_set_0.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import time

import numpy
import onnxruntime


def read_tensor(path):
    """The few fields of a TensorProto that inputs need, through onnx if it is there."""
    import onnx
    from onnx import numpy_helper
    tensor = onnx.TensorProto()
    with open(path, "rb") as file:
        tensor.ParseFromString(file.read())
    return tensor.name, numpy_helper.to_array(tensor)


def time_ort(folder, seconds=1.5):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), options,
                                           providers=["CPUExecutionProvider"])
    feeds = {}
    for index, declared in enumerate(session.get_inputs()):
        name, array = read_tensor(os.path.join(folder, "test_data_set_0", f"input_{index}.pb"))
        feeds[name if name in [i.name for i in session.get_inputs()] else declared.name] = array
    session.run(None, feeds)
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        session.run(None, feeds)
        times.append(1e3 * (time.perf_counter() - begin))
        if len(times) >= 500:
            break
    return statistics.median(times)


def time_esker(esker, folder, settings):
    command = [esker, "bench", folder, "--json"]
    for setting in settings:
        command += ["--set", setting]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(output.splitlines()[0])


def draw(rows, path):
    """A bar a model: Esker's time over ONNX Runtime's, on a logarithmic axis."""
    width, left, step = 860, 210, 22
    height = 60 + step * len(rows)
    top = max(row["ratio"] for row in rows)
    scale = (width - left - 70) / max(numpy.log10(top), 0.1)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             '<text x="10" y="20" font-size="14">time over ONNX Runtime CPU (shorter is '
             'better, logarithmic)</text>']
    for tick in (1, 2, 5, 10, 20, 50, 100):
        if tick <= top:
            x = left + scale * numpy.log10(tick)
            parts.append(f'<line x1="{x:.0f}" y1="32" x2="{x:.0f}" y2="{height - 18}" '
                         f'stroke="#ddd"/><text x="{x:.0f}" y="{height - 4}" '
                         f'text-anchor="middle">{tick}×</text>')
    for index, row in enumerate(rows):
        y = 36 + step * index
        length = max(scale * numpy.log10(max(row["ratio"], 1.0)), 1)
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{row["model"]}</text>'
                     f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{step - 5}" '
                     f'fill="#3b7dbd"/><text x="{left + length + 6:.0f}" y="{y + 13}">'
                     f'{row["ratio"]:.1f}×</text>')
    with open(path, "w") as file:
        file.write("\n".join(parts + ["</svg>\n"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("esker")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--svg")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    folders = []
    for folder in arguments.folders:
        models = sorted(glob.glob(os.path.join(folder, "**", "model.onnx"), recursive=True))
        folders += [os.path.dirname(model) for model in models]
    rows = []
    print("| model | Esker ms | ORT CPU ms | ratio | dispatches | first run ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for folder in folders:
        name = os.path.basename(folder)
        ours, theirs, bench = [], [], None
        try:
            for _ in range(arguments.rounds):
                bench = time_esker(arguments.esker, folder, arguments.settings)
                ours.append(bench["median_ms"])
                theirs.append(time_ort(folder))
        except (subprocess.CalledProcessError, IndexError, FileNotFoundError) as error:
            text = getattr(error, "stderr", None) or str(error)
            print(f"| {name} | failed: {text.strip().splitlines()[-1][:90]} | | | | |", flush=True)
            continue
        row = {"model": name, "esker_ms": statistics.median(ours),
               "ort_ms": statistics.median(theirs), "dispatches": bench["dispatches"],
               "first_ms": bench["first_ms"]}
        row["ratio"] = row["esker_ms"] / row["ort_ms"]
        rows.append(row)
        print(f'| {name} | {row["esker_ms"]:.1f} | {row["ort_ms"]:.2f} | {row["ratio"]:.1f} | '
              f'{row["dispatches"]} | {row["first_ms"]:.0f} |', flush=True)
    if rows:
        mean = numpy.exp(numpy.mean(numpy.log([row["ratio"] for row in rows])))
        print(f"\n{len(rows)} models, geometric mean {mean:.1f}×")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)
    if arguments.svg and rows:
        draw(sorted(rows, key=lambda row: row["ratio"]), arguments.svg)


if __name__ == "__main__":
    main()
