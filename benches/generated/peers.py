"""The functions of write.rs by wrenfold (Rust) and CasADi (C): python peers.py FOLDER writes wrenfold.rs and casadi.c there."""
import sys
import time

import casadi as ca
import geometry
from wrenfold import sym
from wrenfold.code_generation import OutputArg, RustGenerator, generate_function
from wrenfold.type_annotations import FloatScalar

FOLDER = sys.argv[1]
STEP = 0.01


def thirty_operations(m, a, b, c, d, e):
    t6 = (m.sin(a * b) + c) * m.exp(d * 0.1)
    t13 = m.tanh(t6 - e) * a + m.log(b * b + 1)
    t21 = t13 * m.cos(c * d) / m.sqrt(e * e + 2) + a
    t22 = t21 * t21
    t27 = m.sin(t22 + b * c) * e + d
    return m.exp(-t27) + t22


def w8a(w1: FloatScalar, w2: FloatScalar):
    f = (1 - w2 * w1) ** 2
    return [OutputArg(f, "f"), OutputArg(f.diff(w1), "d0"), OutputArg(f.diff(w2), "d1")]


def w8b(a: FloatScalar, b: FloatScalar, c: FloatScalar, d: FloatScalar, e: FloatScalar):
    f = thirty_operations(sym, a, b, c, d, e)
    return [OutputArg(f, "f")] + [OutputArg(f.diff(v), f"d{i}") for i, v in enumerate((a, b, c, d, e))]


def write_wrenfold():
    start = time.time()
    texts = [generate_function(function, RustGenerator()) for function in (w8a, w8b)]
    for function, params in geometry.in_wrenfold():
        texts.append(generate_function(function, RustGenerator(), optimization_params=params))
    with open(f"{FOLDER}/wrenfold.rs", "w") as file:
        file.write("\n\n".join(texts))
    print(f"wrenfold wrote all in {1e3 * (time.time() - start):.1f} ms", file=sys.stderr)


def lorenz(s, n_steps):
    def slope(x, y, z):
        return s[3] * (y - x), x * (s[4] - z) - y, x * y - s[5] * z

    at = (s[0], s[1], s[2])
    for _ in range(n_steps):
        moved = lambda k, h: [u + h * v for u, v in zip(at, k)]
        k1 = slope(*at)
        k2 = slope(*moved(k1, STEP / 2))
        k3 = slope(*moved(k2, STEP / 2))
        k4 = slope(*moved(k3, STEP))
        at = [u + STEP / 6 * (p + 2 * q + 2 * r + w) for u, p, q, r, w in zip(at, k1, k2, k3, k4)]
    return sum((u - t) ** 2 for u, t in zip(at, (2, -1, 25)))


def write_casadi():
    start = time.time()
    functions = []
    x, v = ca.SX.sym("x", 1000), ca.SX.sym("v", 1000)
    f = ca.sum1(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    functions.append(ca.Function("c_w7", [x, v], [ca.jtimes(ca.gradient(f, x), x, v)]))
    for name, n, value in (
        ("c_w8a", 2, lambda x: (1 - x[1] * x[0]) ** 2),
        ("c_w8b", 5, lambda x: thirty_operations(ca, *[x[i] for i in range(5)])),
        ("c_w14", 6, lambda x: lorenz(x, 200)),
    ):
        x = ca.SX.sym("x", n)
        f = value(x)
        functions.append(ca.Function(name, [x], [f, ca.gradient(f, x)]))
    functions.extend(geometry.in_casadi())
    generator = ca.CodeGenerator("casadi.c")
    for function in functions:
        generator.add(function)
    generator.generate(FOLDER + "/")
    print(f"CasADi wrote all in {1e3 * (time.time() - start):.1f} ms", file=sys.stderr)


write_wrenfold()
write_casadi()
