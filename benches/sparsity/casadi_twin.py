"""W12 by CasADi's generated C: python casadi_twin.py FOLDER chain|lagrangian N SECS. Prints what time.rs prints, in its form."""
import subprocess
import sys
import time

import casadi as ca
import numpy as np

folder, problem, n, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
start = time.time()
x = ca.SX.sym("x", n)
left, right = x[:-1], x[1:]
f = ca.sum1(100 * (left**2 - right) ** 2 + (left - 1) ** 2)
arguments = [x]
point = [0.5 + 0.4 * np.sin(np.arange(n) * 0.7)]
if problem == "lagrangian":
    sigma, multipliers = ca.SX.sym("sigma"), ca.SX.sym("lambda", n - 2)
    a, b, c = x[:-2], x[1:-1], x[2:]
    constraints = 3 * b**3 + 2 * c - 5 + ca.sin(b - c) * ca.sin(b + c) + 4 * b - a * ca.exp(a - b) - 3
    f = sigma * f + ca.dot(multipliers, constraints)
    arguments += [sigma, multipliers]
    point += [np.array([0.5]), np.cos(np.arange(n - 2) * 0.3)]
hessian = ca.tril(ca.hessian(f, x)[0])
function = ca.Function("H", arguments, [hessian])
built = time.time()
generator = ca.CodeGenerator(f"{problem}.c")
generator.add(function)
generator.generate(folder + "/")
subprocess.run(["gcc", "-O1", "-march=native", "-shared", "-fPIC", f"{folder}/{problem}.c", "-o", f"{folder}/{problem}.so", "-lm"], check=True)
compiled = time.time()
function = ca.external("H", f"{folder}/{problem}.so")
buffer, evaluate = function.buffer()
values = np.zeros(function.nnz_out(0))
for number, value in enumerate(point):
    buffer.set_arg(number, memoryview(value))
buffer.set_res(0, memoryview(values))
evaluate()
least, begin = float("inf"), time.time()
while time.time() - begin < seconds:
    start_run = time.perf_counter()
    for _ in range(10):
        evaluate()
    least = min(least, (time.perf_counter() - start_run) / 10)
print(
    f"{problem} n={n} entries={values.size} setup_ms={1e3 * (built - start):.3f}"
    f" gcc_ms={1e3 * (compiled - built):.0f} run_us={1e6 * least:.3f} sum={values.sum():.10e}"
)
