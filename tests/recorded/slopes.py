"""Records the first and second derivatives of the elementwise functions over the whole range of f32 and f64.

    python tests/recorded/slopes.py > tests/recorded/slopes.txt
    python tests/recorded/slopes.py values > tests/recorded/values.txt

The functions are Taylor series of order 3 in 2600-bit arithmetic (mpmath), written from their definitions. A line
`: name operand dtype` begins a section: the derivatives of a function by one operand. Each line below it has the bits of the
operands in hexadecimal, then for either derivative three words: the bits of the nearest number of the dtype, how far the
truth is above it in units of its last place, and the condition number, the sum of |a f'_a / f'| over the operands a.

Points have a random significand for every exponent near 1 and for every few exponents elsewhere, with both signs, subnormal
numbers included. Functions of two numbers, and integer powers, are recorded where the operands, the value and what the
derivative is made of are normal numbers.

A new function is the last line of LATER. It is recorded after those before, whose points stay what they are, and its values
in f64 too: below `: name`, the bits of the operands, those of the nearest value, and how far the truth is above it.
"""

import random
import struct
import sys

from mpmath import mp, mpf

mp.prec = 2600
RNG = random.Random(20)
FORMATS = {"f32": ("<f", "<I", 23, -126, 127), "f64": ("<d", "<Q", 52, -1022, 1023)}


class Series:
    """f(x + t) = c[0] + c[1] t + c[2] t^2 + c[3] t^3."""

    def __init__(self, c):
        self.c = list(c) + [mpf(0)] * (4 - len(c))

    def __add__(self, other):
        return Series([a + b for a, b in zip(self.c, lift(other).c)])

    def __mul__(self, other):
        b = lift(other).c
        return Series([sum(self.c[i] * b[n - i] for i in range(n + 1)) for n in range(4)])

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -lift(other)

    def __truediv__(self, other):
        return self * lift(other).compose(lambda u: (1 / u, -1 / u**2, 2 / u**3, -6 / u**4))

    def __rtruediv__(self, other):
        return lift(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other):
        return lift(other) - self

    def compose(self, derivatives):
        f0, f1, f2, f3 = derivatives(self.c[0])
        rest = Series([mpf(0)] + self.c[1:])
        square = rest * rest
        return lift(f0) + rest * f1 + square * (f2 / 2) + square * rest * (f3 / 6)

    def derivatives(self):
        return self.c[1], 2 * self.c[2], 6 * self.c[3]


def lift(x):
    return x if isinstance(x, Series) else Series([mpf(x)])


def exp(x):
    def of(u):
        # Far beyond what any float holds.
        e = mpf(0) if u < -(10**7) else mp.exp(min(u, mpf(10) ** 7))
        return e, e, e, e

    return x.compose(of)


def log(x):
    return x.compose(lambda u: (mp.log(u), 1 / u, -1 / u**2, 2 / u**3))


def sqrt(x):
    def of(u):
        r = mp.sqrt(u)
        return r, 1 / (2 * r), -1 / (4 * r * u), 3 / (8 * r * u * u)

    return x.compose(of)


def erfc(x):
    def of(u):
        value = mpf(2) if u < -(10**4) else mpf(0) if u > 10**4 else mp.erfc(u)
        slope = -2 / mp.sqrt(mp.pi) * (mp.exp(-u * u) if abs(u) < 10**4 else mpf(0))
        return value, slope, -2 * u * slope, (4 * u * u - 2) * slope

    return x.compose(of)


def normal_cdf(x):
    return erfc(-x / mp.sqrt(2)) / 2


def sin(x):
    return x.compose(lambda u: (mp.sin(u), mp.cos(u), -mp.sin(u), -mp.cos(u)))


def cos(x):
    return x.compose(lambda u: (mp.cos(u), -mp.sin(u), -mp.cos(u), mp.sin(u)))


def atan(x):
    def of(u):
        d = 1 + u * u
        return mp.atan(u), 1 / d, -2 * u / d**2, (6 * u * u - 2) / d**3

    return x.compose(of)


def sigmoid(x):
    return 1 / (1 + exp(-x)) if x.c[0] > 0 else exp(x) / (1 + exp(x))


def softplus(x):
    return x + log(1 + exp(-x)) if x.c[0] > 0 else log(1 + exp(x))


def tanh(x):
    if x.c[0] < 0:
        return -tanh(-x)
    e = exp(-2 * x)
    return (1 - e) / (1 + e)


def sech_squared(x):
    if x.c[0] < 0:
        return sech_squared(-x)
    e = exp(-2 * x)
    return 4 * e / ((1 + e) * (1 + e))


def gelu_tanh(x):
    return x * sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mpf(0.044715) * x * x * x))


def integer_power(x, n):
    power = lift(1)
    for _ in range(abs(n)):
        power = power * x
    return power if n >= 0 else 1 / power


def step(x):
    return lift(0)


def between(low, high):
    return lambda x: lift(low) if x.c[0] < low else lift(high) if x.c[0] > high else x


# Names as in the library: the primitives, then compositions.
ONES = {
    "neg": lambda x: -x,
    "abs": lambda x: x if x.c[0] > 0 else -x,
    "sign": step,
    "exp": exp,
    "expm1": lambda x: exp(x) - 1,
    "log": log,
    "log1p": lambda x: log(1 + x),
    "sqrt": sqrt,
    "rsqrt": lambda x: 1 / sqrt(x),
    "tanh": tanh,
    "sech_squared": sech_squared,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": lambda x: 1 - erfc(x),
    "erfc": erfc,
    "relu": lambda x: x if x.c[0] > 0 else lift(0),
    "sin": sin,
    "cos": cos,
    "floor": step,
    "ceil": step,
    "round": step,
    "log_sigmoid": lambda x: -softplus(-x),
    "gelu": lambda x: x * normal_cdf(x),
    "gelu_tanh": gelu_tanh,
    "silu": lambda x: x * sigmoid(x),
    "leaky_relu": lambda x: x if x.c[0] > 0 else mpf(1) / 8 * x,
    "elu": lambda x: x if x.c[0] > 0 else mpf(1) / 2 * (exp(x) - 1),
    "clamp": between(-2, 3),
    "relu6": between(0, 6),
    "hard_tanh": between(-1, 1),
}
POWERS = [-3, -2, -1, 2, 3, 7]
SIMPLE = ("neg", "abs", "sign", "floor", "ceil", "round", "relu", "leaky_relu", "clamp", "relu6", "hard_tanh")
ABOVE = {"log": 0, "sqrt": 0, "rsqrt": 0, "log1p": -1}

TWOS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "maximum": lambda a, b: a if a.c[0] > b.c[0] else b,
    "minimum": lambda a, b: a if a.c[0] < b.c[0] else b,
    "pow": lambda a, b: exp(b * log(a)),
    "atan2": lambda a, b: atan(a / b),
}


def sinh(x):
    return (exp(x) - exp(-x)) / 2


def cosh(x):
    return (exp(x) + exp(-x)) / 2


def cbrt(x):
    return -cbrt(-x) if x.c[0] < 0 else exp(log(x) / 3)


def erf_inv(x):
    def of(u):
        y = mp.erfinv(u)
        d = mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        return y, d, 2 * y * d**2, (2 + 8 * y * y) * d**3

    return x.compose(of)


def lgamma(x):
    return x.compose(lambda u: (mp.re(mp.loggamma(u)), mp.psi(0, u), mp.psi(1, u), mp.psi(2, u)))


def polygamma(x, order):
    n = int(mp.floor(order.c[0]))
    return x.compose(lambda u: tuple(mp.psi(n + i, u) for i in range(4)))


def stumpff(x, order):
    def series(k, s):
        term, total, i = 1 / mp.factorial(k), mpf(0), k
        while i * i < abs(s) or abs(term) > mpf(2) ** -2000 * abs(total):
            total += term
            term *= -s / ((i + 1) * (i + 2))
            i += 2
        return total

    # (k c_{k+2} - c_{k+1}) / 2 is the sum of the derivatives of the terms.
    def derivative(n, k, s):
        if n == 0:
            return series(k, s)
        return (k * derivative(n - 1, k + 2, s) - derivative(n - 1, k + 1, s)) / 2

    return x.compose(lambda s: tuple(derivative(n, int(mp.floor(order.c[0])), s) for n in range(4)))


def remainder(a, b):
    quotient = a.c[0] / b.c[0]
    return a - b * (mp.floor(quotient) if quotient > 0 else mp.ceil(quotient))


def logaddexp(a, b):
    greater, less = (a, b) if a.c[0] > b.c[0] else (b, a)
    return greater + log(1 + exp(less - greater))


class Later:
    """A function of one number with the open interval that it is recorded in, or one of two, with an Order if the second is one."""

    def __init__(self, n_operands, function, domain=None, is_primitive=True):
        self.n_operands, self.function, self.domain = n_operands, function, domain
        # Of composites only the slopes are recorded.
        self.is_primitive = is_primitive


class Order:
    """The interval of the order, and the exponents and signs of the first operand."""

    def __init__(self, interval, exponents, signs):
        self.interval, self.exponents, self.signs = interval, exponents, signs


# In the order in which they were added.
LATER = {
    "tan": Later(1, lambda x: sin(x) / cos(x), (-mp.inf, mp.inf)),
    "asin": Later(1, lambda x: atan(x / sqrt(1 - x * x)), (-1, 1)),
    "acos": Later(1, lambda x: mp.pi / 2 - atan(x / sqrt(1 - x * x)), (-1, 1)),
    "atan": Later(1, atan, (-mp.inf, mp.inf)),
    "sinh": Later(1, sinh, (-mp.inf, mp.inf)),
    "cosh": Later(1, cosh, (-mp.inf, mp.inf)),
    "asinh": Later(1, lambda x: log(x + sqrt(1 + x * x)), (-mp.inf, mp.inf)),
    "acosh": Later(1, lambda x: log(x + sqrt(x * x - 1)), (1, mp.inf)),
    "atanh": Later(1, lambda x: log((1 + x) / (1 - x)) / 2, (-1, 1)),
    "log2": Later(1, lambda x: log(x) / mp.log(2), (0, mp.inf)),
    "exp2": Later(1, lambda x: exp(x * mp.log(2)), (-mp.inf, mp.inf)),
    "log10": Later(1, lambda x: log(x) / mp.log(10), (0, mp.inf)),
    "cbrt": Later(1, cbrt, (-mp.inf, mp.inf)),
    "erf_inv": Later(1, erf_inv, (-1, 1)),
    "lgamma": Later(1, lgamma, (0, mp.inf)),
    "hypot": Later(2, lambda a, b: sqrt(a * a + b * b)),
    "rem": Later(2, remainder),
    "polygamma": Later(2, polygamma, Order((0, 12), (-8, 8), signs=None)),
    "logaddexp": Later(2, logaddexp, is_primitive=False),
    "stumpff": Later(2, stumpff, Order((0, 4), (-8, 12), signs=(-1, 1))),
}


def rounded(truth, dtype):
    """The bits of the nearest number, and how many places the truth is above it."""
    _, _, fraction, least, most = FORMATS[dtype]
    magnitude = abs(truth)
    sign = 1 << (fraction + most.bit_length() + 1) if truth < 0 else 0
    if magnitude == 0:
        return sign, mpf(0)
    exponent = max(mp.frexp(magnitude)[1] - 1, least)
    if exponent > most:
        return sign | ((2 * most + 1) << fraction), mpf(0)
    places = mp.ldexp(magnitude, fraction - exponent)
    whole = int(mp.floor(places + mpf(1) / 2))
    # A carry into the next exponent, or to infinity, is what the sum does by itself.
    return sign | (((exponent - least) << fraction) + whole), places - whole


def number(x, dtype):
    float_format, bits_format, *_ = FORMATS[dtype]
    return struct.unpack(bits_format, struct.pack(float_format, x))[0]


def is_normal(truth, dtype):
    *_, least, most = FORMATS[dtype]
    return truth == 0 or least <= mp.frexp(abs(truth))[1] - 1 <= most - 1


def word(truth, condition, dtype):
    bits, above = rounded(truth, dtype)
    digits = 8 if dtype == "f32" else 16
    condition = 1.0 if truth == 0 else max(min(float(abs(condition)), 1e300), 1.0)
    return f"{bits:0{digits}x} {float(above):.1f} {condition:.2g}".replace(" 0.0 ", " 0 ").replace(" -0.0 ", " 0 ").replace("e+", "e")


def random_number(exponent, dtype):
    _, _, fraction, least, _ = FORMATS[dtype]
    bits = fraction if exponent >= least else max(exponent - least + fraction, 0)
    return float(mp.ldexp((1 << bits) + RNG.getrandbits(bits) if bits else 1, exponent - bits))


def numbers(dtype):
    _, _, fraction, least, most = FORMATS[dtype]
    near = list(range(-fraction // 2 - 2, 10))
    far = [e for e in range(least - fraction, most + 1) if e not in near]
    far = [e for e in far if RNG.random() < (0.3 if dtype == "f32" else 0.05)] + [most]
    exponents = near + [-1, 0, 1, 2, 3, 4, 0, 1, 2, 3] + far
    return [sign * random_number(e, dtype) for e in sorted(exponents) for sign in (-1, 1)]


def section(name, operand, dtype, lines):
    print(":", name, operand, dtype)
    print("\n".join(lines))


def of_one(name, function, is_ordinary=lambda *_: True):
    for dtype in FORMATS:
        lines = []
        for x in numbers(dtype)[:: 7 if name in SIMPLE else 1]:
            low, high = LATER[name].domain if name in LATER else (ABOVE.get(name, -mp.inf), mp.inf)
            if not low < x < high:
                continue
            series = function(Series([mpf(x), mpf(1)]))
            d1, d2, d3 = series.derivatives()
            if not is_ordinary(mpf(x), series.c[0], d1, d2, dtype):
                continue
            words = [word(d, 0 if d == 0 else x * e / d, dtype) for d, e in ((d1, d2), (d2, d3))]
            digits = 8 if dtype == "f32" else 16
            lines.append(f"{number(x, dtype):0{digits}x} " + " ".join(words))
        section(name, 0, dtype, lines)


def rounded_to(x, dtype):
    float_format, *_ = FORMATS[dtype]
    return struct.unpack(float_format, struct.pack(float_format, x))[0]


def pairs(name, dtype):
    order = LATER[name].domain if name in LATER else None
    if order:
        first = lambda: random_number(RNG.randint(*order.exponents), dtype) * (RNG.choice(order.signs) if order.signs else 1)
        return [(first(), rounded_to(RNG.uniform(*order.interval), dtype)) for _ in range(60)]
    _, _, fraction, least, most = FORMATS[dtype]
    found = []
    for _ in range(130):
        a, b = (random_number(RNG.choice([RNG.randint(least, most), RNG.randint(-6, 6)]), dtype) for _ in range(2))
        if RNG.random() < 0.5 and name != "pow":
            b = random_number(min(max(mp.frexp(a)[1] - 1 + RNG.randint(-3, 3), least), most), dtype)
        if name == "pow" and RNG.random() < 0.7:
            b = random_number(RNG.randint(-4, 3), dtype)
        found.append((a if name == "pow" else a * RNG.choice([-1, 1]), b * RNG.choice([-1, 1])))
    return found


def of_two(name, function):
    for dtype in FORMATS:
        points = pairs(name, dtype)
        for operand in (0, 1):

            def along(a, b):
                series = [Series([mpf(a)]), Series([mpf(b)])]
                series[operand].c[1] = mpf(1)
                return function(*series)

            lines = []
            for a, b in points:
                value = along(a, b)
                d1, d2, d3 = value.derivatives()
                own, other = (a, b) if operand == 0 else (b, a)
                parts = [value.c[0], d1, d2]
                if name == "pow":
                    parts += [along(a, b - 1).c[0], along(a, b - 2).c[0]]
                if name != "atan2" and not all(is_normal(part, dtype) for part in parts):
                    continue
                if name == "pow" and value.c[0] == 0:
                    continue
                h = mpf(2) ** -600
                nudged = along(a, b * (1 + h)) if operand == 0 else along(a * (1 + h), b)
                words = []
                for d, e, moved in ((d1, d2, nudged.derivatives()[0]), (d2, d3, nudged.derivatives()[1])):
                    condition = 0 if d == 0 else abs(own * e / d) + abs((moved - d) / (h * d))
                    words.append(word(d, condition, dtype))
                digits = 8 if dtype == "f32" else 16
                bits = [f"{number(x, dtype):0{digits}x}" for x in (a, b)]
                lines.append(" ".join(bits + words))
            section(name, operand, dtype, lines)


def values():
    """Where it is well conditioned, that is for positive numbers in lgamma and not near the root of the digamma function."""
    for name, later in LATER.items():
        if not later.is_primitive:
            continue
        if later.n_operands == 2:
            is_ordinary = lambda a, b: name != "polygamma" or b >= 1 or abs(a - 1.46) > 0.3
            yield name, later.function, [pair for _ in range(3) for pair in pairs(name, "f64") if is_ordinary(*pair)]
            continue
        low, high = later.domain
        points = numbers("f64") + [RNG.uniform(max(low, -20), min(high, 20)) for _ in range(200)]
        points += [edge + side * 2 ** RNG.uniform(-40, 0) for edge, side in ((low, 1), (high, -1)) for _ in range(40)]
        yield name, later.function, [(x,) for x in points if low < x < high]


if sys.argv[1:] == ["values"]:
    for name, function, points in values():
        print(":", name)
        for point in points:
            bits, above = rounded(function(*(Series([mpf(x)]) for x in point)).c[0], "f64")
            words = [f"{number(x, 'f64'):016x}" for x in point] + [f"{bits:016x}", f"{float(above):.3f}"]
            print(*words)
    sys.exit()

for one in ONES:
    of_one(one, ONES[one])
for power in POWERS:

    def is_ordinary(x, value, d1, d2, dtype, power=power):
        parts = [x, value, d1, d2, mpf(x) ** (power - 2), mpf(x) ** (2 - power)]
        return all(is_normal(part, dtype) for part in parts)

    of_one(f"powi({power})", lambda x, power=power: integer_power(x, power), is_ordinary)
for two in TWOS:
    of_two(two, TWOS[two])
# Last, so that the points of those before stay what they are.
of_one("normal_cdf", normal_cdf)
of_one("normal_pdf", lambda x: exp(-x * x / 2) / mp.sqrt(2 * mp.pi))
for name, later in LATER.items():
    (of_one if later.n_operands == 1 else of_two)(name, later.function)
