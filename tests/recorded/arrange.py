"""Values of arrays put together, taken apart, indexed and contracted, for tests/it/arrange.rs.

Written with NumPy 2.4.6: python3 arrange.py > arrange.txt
A line is: name | sizes | elements in row-major order.
"""

import numpy as np

x = (np.arange(24.0) / 8 - 1.3).reshape(2, 3, 4)
i, j, k = np.array([1, 0, 1]), np.array([2, 0, 2]), np.array([3, 3, 0])
square = x[:, :, :3]

CASES = {
    "stack along the first axis": np.stack([x, 2 * x], 0),
    "stack along the last axis": np.stack([x, 2 * x, -x], -1),
    "stack of scalars": np.stack([x[0, 0, 0], x[1, 2, 3]], 0),
    "second of two equal parts": np.split(x, 2, 2)[1],
    "third of three equal parts": np.split(x, 3, -2)[2],
    "second of parts of 1 and 2": np.split(x, [1], 1)[1],
    "second of parts of 2, 0 and 1": np.split(x, [2, 2], 1)[1],
    "tile": np.tile(x, (2, 1, 3)),
    "tile with fewer numbers than axes": np.tile(x, (2,)),
    "tile with more numbers than axes": np.tile(x, (2, 1, 2, 1)),
    "tile by 0": np.tile(x, (1, 0, 1)),
    "pad": np.pad(x, ((1, 0), (0, 2), (1, 1)), constant_values=7.5),
    "pad all axes alike": np.pad(x, (1, 2), constant_values=-0.5),
    "pad by 0": np.pad(x, ((0, 0), (1, 0), (0, 2))),
    "pad by an infinity": np.pad(x, ((0, 1), (0, 0), (0, 0)), constant_values=-np.inf),
    "diag": np.diag(x[0, 0]),
    "diag of a batch": np.where(np.eye(4, dtype=bool), x[..., None, :], 0),
    "diagonal": np.diagonal(square[0]),
    "diagonal of a batch": np.diagonal(square, axis1=1, axis2=2),
    "trace of a batch": np.trace(square, axis1=1, axis2=2),
    "eye": np.eye(3),
    "full": np.full((2, 3), 2.5),
    "x[::-1]": x[::-1],
    "x[:, :, ::-2]": x[:, :, ::-2],
    "x[::-1, :, ::-3]": x[::-1, :, ::-3],
    "x[:, 2:0:-1, 3:0:-2]": x[:, 2:0:-1, 3:0:-2],
    "x[1, ::2, -1::-1]": x[1, ::2, -1::-1],
    "x[:, -2::-1, 0]": x[:, -2::-1, 0],
    "x[:, :, 4:1:-5]": x[:, :, 4:1:-5],
    "x[i]": x[i],
    "x[i, j]": x[i, j],
    "x[i, j, k]": x[i, j, k],
    "x[i[:, None], j]": x[i[:, None], j],
    "x[1, j]": x[1, j],
    "logaddexp": np.logaddexp(x, 3 * x[::-1]),
    "logaddexp of a row": np.logaddexp(x, x[0, 0]),
    "...ij,...jk->...ik": np.einsum("...ij,...jk->...ik", x.reshape(2, 1, 3, 4), x.reshape(2, 4, 3)),
    "...ij,...jk": np.einsum("...ij,...jk", x.reshape(2, 1, 3, 4), x.reshape(2, 4, 3)),
    "i...->...i": np.einsum("i...->...i", x),
    "i...j->j...": np.einsum("i...j->j...", x),
    "...ii->...i": np.einsum("...ii->...i", square),
    "...ii->...": np.einsum("...ii->...", square),
    "...,...->...": np.einsum("...,...->...", x, x[:, :1, :1]),
    "...,...": np.einsum("...,...", x[:1], x[0, 0]),
    "i...,i...->...": np.einsum("i...,i...->...", x, x[:, :1]),
    "...i,i->...": np.einsum("...i,i->...", x, x[0, 0]),
    "...i,...i": np.einsum("...i,...i", x, x),
    "a...,b...->ab...": np.einsum("a...,b...->ab...", x, x),
    "ij...->ij": np.einsum("ij...->ij", x[0]),
    "ij,jk": np.einsum("ij,jk", x[0], x[1].T),
    "ba": np.einsum("ba", x[0]),
    "bA": np.einsum("bA", x[0]),
    "ii": np.einsum("ii", square[0]),
    "iij": np.einsum("iij", np.stack([x[0, :2], x[1, :2]])),
    "i,i": np.einsum("i,i", x[0, 0], x[1, 1]),
    "ij->...ji": np.einsum("ij->...ji", x[0]),
}

for name, value in CASES.items():
    value = np.asarray(value)
    print(name, " ".join(map(str, value.shape)), " ".join(repr(float(y)) for y in value.ravel()), sep=" | ")
