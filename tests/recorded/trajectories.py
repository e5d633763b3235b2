"""Works trajectories of the update rules in decimal arithmetic of 50 digits, from the formulas as they are in the papers.

    python tests/recorded/trajectories.py

Two parameters start at 1 and -2; their gradients at steps 0, 1, 2 do not depend on them. What is printed are the parameters
after step 2, as they stand in the tests.
"""

from decimal import Decimal as D, getcontext

getcontext().prec = 50
STARTS = [D(1), D(-2)]
GRADIENTS = [[D("0.5"), D("0.25"), D(-3)], [D("-1.5"), D(2), D(0)]]


def run(rule):
    ends = []
    for theta, gradients in zip(STARTS, GRADIENTS):
        state = {}
        for t, g in enumerate(gradients):
            theta = rule(theta, g, state, t)
        ends.append(theta)
    return ends


def sgd(theta, g, state, t, rate=D("0.1")):
    return theta - rate * g


def heavy_ball(theta, g, state, t, rate=D("0.1"), rho=D("0.9")):
    m = rho * state.get("m", D(0)) + g
    state["m"] = m
    return theta - rate * m


def nesterov(theta, g, state, t, rate=D("0.1"), rho=D("0.9")):
    """By the point phi that is left behind, where theta is the point ahead of it."""
    phi, m = state.get("phi", theta), state.get("m", D(0))
    assert abs(theta - (phi - rate * rho * m)) < D("1e-40")
    m = rho * m + g
    phi = phi - rate * m
    state.update(phi=phi, m=m)
    return phi - rate * rho * m


def adagrad(theta, g, state, t, rate=D("0.1"), delta=D("0.001")):
    r = state.get("r", D(0)) + g * g
    state["r"] = r
    return theta - rate / (delta + r.sqrt()) * g


def rms_prop(theta, g, state, t, rate=D("0.1"), tau=D("0.8"), delta=D("0.001")):
    r = tau * state.get("r", D(0)) + (1 - tau) * g * g
    state["r"] = r
    return theta - rate / (delta + r.sqrt()) * g


def adam(theta, g, state, t, rate=D("0.1"), beta1=D("0.8"), beta2=D("0.9"), epsilon=D("0.001")):
    m = beta1 * state.get("m", D(0)) + (1 - beta1) * g
    v = beta2 * state.get("v", D(0)) + (1 - beta2) * g * g
    state.update(m=m, v=v)
    m_hat, v_hat = m / (1 - beta1 ** (t + 1)), v / (1 - beta2 ** (t + 1))
    return theta - rate * m_hat / (v_hat.sqrt() + epsilon)


def adam_w(theta, g, state, t, rate=D("0.1"), decay=D("0.3")):
    return adam(theta, g, state, t) - rate * decay * theta


def sign_sgd(theta, g, state, t, rate=D("0.1")):
    return theta - rate * (0 if g == 0 else g.copy_sign(1) / g)


def lars(rate=D("0.1"), trust=D("0.5"), rho=D("0.9"), decay=D("0.3")):
    """By the array of both, whose lengths it asks for."""
    theta, v = list(STARTS), [D(0), D(0)]
    for g in zip(*GRADIENTS):
        length, steepness = (sum(x * x for x in of).sqrt() for of in (theta, g))
        kappa = trust * length / (steepness + decay * length)
        v = [rho * v + rate * kappa * (g + decay * theta) for v, g, theta in zip(v, g, theta)]
        theta = [theta - v for theta, v in zip(theta, v)]
    return theta


for rule in [sgd, heavy_ball, nesterov, adagrad, rms_prop, adam, adam_w, sign_sgd]:
    print(rule.__name__, *[f"{theta:.15f}" for theta in run(rule)])
print("lars", *[f"{theta:.15f}" for theta in lars()])
