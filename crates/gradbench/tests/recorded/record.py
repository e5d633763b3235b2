"""Records what GradBench's evaluations ask at small sizes, with what their validators compare with.

In: a checkout of GradBench with its tool `manual` built, as the current directory. Out: a file for each evaluation beside this script, with a line for
each message and the output that is expected. README.md beside it has the command.
"""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
from gradbench.evals.ht import io

RUNS = {"min_runs": 2, "min_seconds": 0.0}
TEXT = "Sequences of characters, of which a model predicts the next one."


def module(name):
    return import_module(f"gradbench.evals.{name}.run")


def hand(variant, n_points):
    """The first points of a hand, with the triangles and vertices that they need."""
    folder = Path(f"evals/ht/data/{variant}_small")
    whole = io.read_hand_instance(folder / "model", folder / "hand1_t26_c100.txt", variant == "complicated").to_dict()
    data, model = whole["data"], whole["data"]["model"]
    numbers, data["points"] = data["correspondences"][:n_points], data["points"][:n_points]
    if variant == "complicated":
        whole["us"] = whole["us"][:n_points]
        triangles = [model["triangles"][number] for number in numbers]
        vertices = sorted({vertex for triangle in triangles for vertex in triangle})
        model["triangles"] = [[vertices.index(vertex) for vertex in triangle] for triangle in triangles]
        data["correspondences"] = list(range(n_points))
    else:
        vertices = sorted(set(numbers))
        model["triangles"] = []
        data["correspondences"] = [vertices.index(number) for number in numbers]
    for rows in ("base_positions", "weights"):
        model[rows] = [model[rows][vertex] for vertex in vertices]
    return whole


def inputs():
    """Evaluation, functions, inputs."""
    random = np.random.default_rng(31337).random
    gmm = module("gmm").generate
    lstm = module("lstm").gen_lstm
    np.random.seed(31337)
    yield "gmm", ["objective", "jacobian"], [gmm(seed=1, d=2, k=3, n=8, m=0, gamma=1.0), gmm(seed=2, d=5, k=2, n=7, m=3, gamma=0.5)]
    yield "ba", ["objective", "jacobian"], [module("ba").parse("evals/ba/data/ba1_n49_m7776_p31843.txt")]
    yield "ode", ["primal", "gradient"], [{"x": random(n).tolist(), "s": s} for n, s in [(1, 3), (4, 2), (12, 10)]]
    yield "lstm", ["objective", "jacobian"], [lstm(TEXT, n_layers, n).to_dict() for n_layers, n in [(1, 5), (3, 20)]]
    yield "ht", ["objective", "jacobian"], [hand("complicated", 5), hand("simple", 4)]
    yield "det", ["primal", "gradient"], [{"A": random(n * n).tolist(), "ell": n} for n in [2, 5, 8]]
    yield "llsq", ["primal", "gradient"], [{"x": random(m).tolist(), "n": n} for m, n in [(1, 4), (7, 16), (30, 50)]]
    yield "lse", ["primal", "gradient"], [{"x": (200.0 * random(n) - 100.0).tolist()} for n in [1, 10, 300]]
    points = random((40, 3)).tolist()
    yield "kmeans", ["cost", "dir"], [{"points": points, "centroids": points[-k:]} for k in [1, 6]]
    yield "particle", ["ff", "fr", "rf", "rr"], [{"w": 0.0}]
    yield "saddle", ["ff", "fr", "rf", "rr"], [{"start": [1.0, 1.0]}]


def hello():
    for x in [1.0, -3.5]:
        yield "square", x, x * x
        yield "double", x, 2.0 * x


def write(name, rows):
    lines = []
    for number, (function, given, expected) in enumerate(rows, start=1):
        message = {"id": number, "kind": "evaluate", "module": name, "function": function, "input": given}
        lines.append(json.dumps({"message": message, "expected": expected}))
    Path(__file__).with_name(f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def expected(name, function, given):
    answer = module(name).expect(function, given)
    if not answer["success"]:
        raise RuntimeError(answer["error"])
    return answer["output"]


write("hello", hello())
for name, functions, given in inputs():
    given = [one | RUNS for one in given]
    write(name, [(function, one, expected(name, function, one)) for one in given for function in functions])
