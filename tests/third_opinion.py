#!/usr/bin/env python3
"""Rows of the operator runner with ONNX Runtime as the third opinion, so that both
providers wrong together do not pass. In: rows, drawn or from a file (tests/case.h has
their grammar); out: a line for each row on which a provider and ONNX Runtime's CPU
provider differ, then sums.

    python3 -m venv v && v/bin/pip install onnx onnxruntime numpy
    v/bin/python tests/third_opinion.py --build build/release --draw 5000 --seed 1
    v/bin/python tests/third_opinion.py --build build/release --rows tests/ops.txt

Each row becomes a folder with model, inputs and ONNX Runtime's outputs, which
`esker test` then runs on both providers. Where they differ, ONNX's reference evaluator is
asked. What ONNX Runtime refuses is counted and passed over. It must not know what
operators mean."""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

TYPES = {"float": TensorProto.FLOAT, "string": TensorProto.STRING}
for name in ("double float16 bfloat16 bool int8 int16 int32 int64 uint8 uint16 uint32 "
             "uint64 int4 uint4 int2 uint2").split():
    if hasattr(TensorProto, name.upper()):
        TYPES[name] = getattr(TensorProto, name.upper())
OF_LINE = {"opset", "range", "rtol", "atol", "free", "fallback", "commands"}
NUMBER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|inf|nan|(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)")


# Where ONNX Runtime is known to differ and ONNX's reference has no say.
KNOWN = [
    (r"(^|\| )(Random|Bernoulli|Multinomial)", "another generator"),
    (r"^Dropout\(.* out=2 opset=([789]|1[01])$", "masks before opset 12 are zeros there"),
    (r"^AveragePool.* dilations=.*SAME_", "its shape forgets the dilation"),
    (r"^MultiHeadAttention.* unidirectional=1", "with more keys than queries its last row "
                                                "sees all keys"),
]


class Skip(Exception):
    """The row cannot be said to ONNX Runtime."""


class Reader:
    """One row: the nodes, inputs and constants of a model."""

    def __init__(self, text):
        self.text, self.at = text, 0
        keys = dict(re.findall(r' (\w+)=(\S+)', re.sub(r'"[^"]*"', '""', text)))
        self.keys = {k: v for k, v in keys.items() if k in OF_LINE}
        self.opset = int(self.keys.get("opset", 21))
        self.range = None
        if "range" in self.keys:
            low, high = self.keys["range"].split(",")
            self.range = float(low), float(high)
        self.random = np.random.default_rng(zlib.crc32(text.encode()))
        self.nodes, self.inputs, self.constants = [], {}, {}
        self.domains = {"": self.opset}
        while True:
            self.node()
            if not self.take("|"):
                break
        if self.text[self.at:].strip():
            raise Skip("grammar: " + self.text[self.at:])

    def take(self, text):
        while self.text[self.at:self.at + 1] == " ":
            self.at += 1
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def match(self, pattern):
        while self.text[self.at:self.at + 1] == " ":
            self.at += 1
        found = re.compile(pattern).match(self.text, self.at)
        if not found:
            raise Skip("grammar: " + self.text[self.at:])
        self.at = found.end()
        return found.group()

    def number(self):
        text = self.match(NUMBER.pattern)
        if re.fullmatch(r"[-+]?(\d+|0[xX][0-9a-fA-F]+)", text):
            return int(text, 0) if "x" in text.lower() else int(text)
        return float(text)

    def numbers(self):
        values = [self.number()]
        while self.text.startswith(",", self.at) and NUMBER.match(self.text, self.at + 1):
            self.at += 1
            values.append(self.number())
        return values

    def tensor(self):
        """TYPE[DIMS], `!`, values: the array (or None for random types), its type."""
        name = self.match(r"[a-z]+\d*")
        if name not in TYPES or not self.take("["):
            raise Skip("type " + name)
        dims = [] if self.take("]") else self.numbers()
        if dims and not self.take("]"):
            raise Skip("grammar")
        constant = self.take("!")
        kind = TYPES[name]
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        count = int(np.prod(dims, dtype=np.int64))
        if self.take("="):
            values = self.numbers()
            flat = [values[i % len(values)] for i in range(count)]
            if kind == TensorProto.UINT64:
                flat = [int(v) % 2**64 for v in flat]
            array = np.array(flat, dtype=dtype if "64" in str(dtype) else np.float64)
        else:
            floats = kind in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE,
                              TensorProto.BFLOAT16)
            signed = name.startswith("int")
            low, high = (-1, 1) if floats else (-4, 4) if signed else (0, 8)
            low, high = self.range or (low, high)
            unit = self.random.random(count)
            array = low + unit * (high - low) if floats else np.floor(
                low + unit * (high - low + 1))
            if name == "bool":
                array = unit < 0.5
        with np.errstate(all="ignore"):
            if name.startswith("uint") and array.dtype == np.float64:
                array = array.astype(np.int64)
            return array.astype(dtype).reshape([int(v) for v in dims]), constant

    def argument(self, node, index):
        if self.take("_"):
            return ""
        if self.take("$"):
            digits = self.match(r"\d*")
            self.previous = True
            return f"n{digits or node - 1}o0"
        if self.take("@"):
            return "n0a" + self.match(r"\d")
        array, constant = self.tensor()
        name = f"n{node}a{index}"
        (self.constants if constant else self.inputs)[name] = array
        return name

    def value(self):
        if self.take('"'):
            text = self.match(r'[^"]*')
            self.take('"')
            return text
        if re.match(r"[a-z]+\d*\[", self.text[self.at:]):
            return numpy_helper.from_array(self.tensor()[0], "t")
        brackets = self.take("[")
        if brackets and self.take("]"):
            return []
        values = self.numbers()
        if brackets:
            self.take("]")
        if any(isinstance(v, float) for v in values):
            values = [float(v) for v in values]
        return values if brackets or len(values) > 1 else values[0]

    def node(self):
        node, arguments, attributes, self.previous = len(self.nodes), [], {}, False
        op, outputs, domain = self.match(r"\w+"), 1, ""
        self.take("(")
        if not self.take(")"):
            self.previous |= self.take("~")
            while True:
                arguments.append(self.argument(node, len(arguments)))
                if not self.take(","):
                    break
            self.take(")")
        while self.text[self.at:].strip() and not re.match(r" *\|", self.text[self.at:]):
            key = self.match(r"\w+")
            if not self.take("="):
                raise Skip("grammar")
            if key == "domain":
                domain = self.match(r"[\w.]+")
            elif key == "out":
                outputs = int(self.number())
            elif key in OF_LINE:
                self.numbers()
            else:
                attributes[key] = self.value()
        if node and not self.previous:
            arguments.insert(0, f"n{node - 1}o0")
        while arguments and not arguments[-1]:
            arguments.pop()
        self.domains.setdefault(domain, 1)
        names = [f"n{node}o{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, arguments, names, name=f"{op}_{node}",
                                           domain=domain))
        for name, value in attributes.items():
            if isinstance(value, list) and not value:
                attribute = onnx.AttributeProto(name=name, type=onnx.AttributeProto.INTS)
            else:
                attribute = helper.make_attribute(name, value)
            self.nodes[-1].attribute.append(attribute)

    def model(self):
        def info(name, array):
            return helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)

        graph = helper.make_graph(
            self.nodes, "row", [info(n, a) for n, a in self.inputs.items()],
            [helper.make_empty_tensor_value_info(o) for o in self.nodes[-1].output],
            [numpy_helper.from_array(a, n) for n, a in self.constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v)
                                                        for d, v in self.domains.items()])
        model.ir_version = 10
        return model


def write(folder, text):
    """Makes the folder of a row; the reason if ONNX Runtime refuses it."""
    try:
        row = Reader(text)
        model = row.model()
    except Skip as error:
        return str(error)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                               providers=["CPUExecutionProvider"])
        outputs = session.run(None, row.inputs)
    except Exception as error:  # of many kinds
        return str(error).replace("\n", " ")[:300]
    del model.graph.output[:]
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    for i, (name, array) in enumerate(zip(row.nodes[-1].output, outputs)):
        array = np.asarray(array)
        model.graph.output.append(helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape))
        with open(f"{data}/output_{i}.pb", "wb") as file:
            file.write(numpy_helper.from_array(array, name).SerializeToString())
    for i, (name, array) in enumerate(row.inputs.items()):
        with open(f"{data}/input_{i}.pb", "wb") as file:
            file.write(numpy_helper.from_array(array, name).SerializeToString())
    onnx.save(model, f"{folder}/model.onnx")
    with open(f"{folder}/tolerance.txt", "w") as file:
        for key in ("rtol", "atol"):
            if key in row.keys:
                file.write(f"{key} {row.keys[key]}\n")
    return None


def load(path):
    with open(path, "rb") as file:
        return TensorProto.FromString(file.read())


def ask_reference(folder):
    """Puts the reference evaluator's outputs in the place of ONNX Runtime's."""
    data = f"{folder}/test_data_set_0"
    inputs = [load(f"{data}/{f}") for f in os.listdir(data) if f.startswith("input")]
    outputs = [load(f"{data}/output_{i}.pb") for i in range(
        len([f for f in os.listdir(data) if f.startswith("output")]))]
    try:
        with np.errstate(all="ignore"):
            feed = {t.name: numpy_helper.to_array(t) for t in inputs}
            model = onnx.load(f"{folder}/model.onnx")
            made = ReferenceEvaluator(model).run([t.name for t in outputs], feed)
    except Exception:  # of many kinds: no third opinion
        return False
    for i, (tensor, array) in enumerate(zip(outputs, made)):
        kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        with open(f"{data}/output_{i}.pb", "wb") as file:
            file.write(numpy_helper.from_array(np.asarray(array).astype(kind),
                                               tensor.name).SerializeToString())
    return True


def run(esker, folder, provider):
    """name -> (word, text) of `esker test`."""
    command = [esker, "test", folder, "--provider", provider, "--strict"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           text=True).stdout
    found = re.findall(r"^(PASS|FAIL|UNSUPPORTED|ERROR) (\w+):? ?(.*)$", lines, re.M)
    return {name: (word, text) for word, name, text in found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default="build", help="the build folder")
    parser.add_argument("--draw", type=int, default=300, help="so many random rows")
    parser.add_argument("--seed", type=int, default=1, help="of the first one")
    parser.add_argument("--rows", help="a file of rows instead")
    parser.add_argument("--filter", default="", help="only rows that hold this text")
    parser.add_argument("--keep", help="keep the folders of differing rows here")
    parser.add_argument("--verbose", action="store_true", help="refusals too")
    args = parser.parse_args()
    command = [f"{args.build}/tests/test_ops", "--print"]
    command += ["--rows", args.rows] if args.rows else ["--draw", str(args.draw)]
    command += ["--seed", str(args.seed)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    printed = printed.stdout
    rows = [line[5:] for line in printed.splitlines() if line.startswith("case ")]
    rows = [row for row in rows if args.filter in row]
    print(f"{len(rows)} rows" + ("" if args.rows else f" drawn from seed {args.seed}"),
          f"ONNX Runtime {onnxruntime.__version__}", sep=", ", flush=True)
    sums = {"passed": 0, "differ": 0, "differ but as ONNX's reference": 0,
            "known to differ": 0, "unsupported by Esker": 0, "refused by ONNX Runtime": 0}
    pool = concurrent.futures.ProcessPoolExecutor(1)
    for start in range(0, len(rows), 100):
        top = tempfile.mkdtemp(prefix="third_")
        known = {}
        for i, text in enumerate(rows[start:start + 100]):
            name = f"row_{start + i}"
            try:
                why = pool.submit(write, f"{top}/{name}", text).result()
            except concurrent.futures.process.BrokenProcessPool:
                why = "ONNX Runtime crashed"
                shutil.rmtree(f"{top}/{name}", ignore_errors=True)
                pool = concurrent.futures.ProcessPoolExecutor(1)
            if why is None:
                known[name] = text
                continue
            sums["refused by ONNX Runtime"] += 1
            if args.verbose:
                print(f"REFUSED {text}: {why}", flush=True)
        results = {p: run(f"{args.build}/esker", top, p) for p in ("CPU", "GLCompute")}
        for name, text in known.items():
            words = {p: results[p].get(name, ("ERROR", "no answer")) for p in results}
            bad = {p: w for p, w in words.items() if w[0] in ("FAIL", "ERROR")}
            if bad and any(re.search(pattern, text) for pattern, _ in KNOWN):
                sums["known to differ"] += 1
                continue
            if bad and pool.submit(ask_reference, f"{top}/{name}").result():
                again = {p: run(f"{args.build}/esker", f"{top}/{name}", p) for p in bad}
                if all(again[p].get(name, ("",))[0] == "PASS" for p in bad):
                    sums["differ but as ONNX's reference"] += 1
                    if args.verbose:
                        print(f"AS REFERENCE: {text}: {list(bad.values())[0][1]}",
                              flush=True)
                    continue
            for provider, (word, why) in bad.items():
                print(f"{word} {provider}: {text}: {why}", flush=True)
            if bad and args.keep:
                shutil.copytree(f"{top}/{name}", f"{args.keep}/{name}",
                                dirs_exist_ok=True)
            sums["differ" if bad else "passed" if words["CPU"][0] == "PASS"
                 else "unsupported by Esker"] += 1
            if args.verbose and words["CPU"][0] == "UNSUPPORTED":
                print(f"UNSUPPORTED {text}: {words['CPU'][1]}", flush=True)
        shutil.rmtree(top)
    print(", ".join(f"{n} {word}" for word, n in sums.items()))
    return 1 if sums["differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
