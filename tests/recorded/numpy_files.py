"""Files of arrays as NumPy writes them: tests/recorded/numpy/, with their elements in tests/recorded/numpy_files.txt.

    python -m venv venv && venv/bin/pip install numpy==2.4.6
    venv/bin/python tests/recorded/numpy_files.py                  # records

    cargo run -p pullback-cli -- run tests/recorded/numpy_files.graph -o ours.npz
    venv/bin/python tests/recorded/numpy_files.py check ours.npz   # whether NumPy reads what this library writes

A line of the text is: file, name in it (- for npy), NumPy's dtype, shape, elements in row-major order. The check is done by hand: NumPy
2.4.6 read the file of the second command when the writer was made. tests/it/npz.rs holds each entry of such a file to the bytes
that NumPy wrote.
"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "numpy"


def grid(dtype, shape=(2, 3)):
    """Numbers that differ in every byte where there are several."""
    n = int(np.prod(shape))
    if np.dtype(dtype).kind == "b":
        return (np.arange(n) % 3 == 0).reshape(shape)
    if np.dtype(dtype).kind == "f":
        return ((np.arange(n) - 2) / 8 + 1 / 1024).astype(dtype).reshape(shape)
    info = np.iinfo(dtype)
    return np.linspace(0, 1, n).astype(np.longdouble).reshape(shape).__mul__(min(info.max, 2**62)).astype(dtype) - (
        np.array(1, dtype) if info.min < 0 else np.array(0, dtype)
    )


def ours():
    return {
        "weight": np.array([[1.5, -2.25, 0.1], [np.inf, -0.0, 3e-40]], dtype="<f4"),
        "slope": np.array(0.1, dtype="<f8"),
        "label": np.array([-(2**63), 0, 2**63 - 1], dtype="<i8"),
        "mask": np.array([[True], [False]]),
        "none": np.zeros((0, 3), dtype="<f4"),
        "größe.ß": np.arange(4, dtype="<i8"),
    }


def record():
    FOLDER.mkdir(exist_ok=True)
    lines = []

    def line(file, name, array):
        numbers = np.asarray(array).astype(array.dtype.newbyteorder("=")).flatten().tolist()
        shape = "x".join(map(str, array.shape)) or "scalar"
        lines.append(f"{file} {name} {array.dtype.str} {shape} {' '.join(map(repr, numbers))}".rstrip())

    singles = {f"{order}{kind}".replace("<", "little_").replace(">", "big_").replace("|", ""): grid(f"{order}{kind}")
               for kind in ["f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8"] for order in "<>"}
    singles |= {kind: grid(f"|{kind}") for kind in ["b1", "i1", "u1"]}
    singles |= {
        "scalar": np.array(2.5, dtype="<f8"),
        "empty": np.zeros((0, 3), dtype="<f4"),
        "line": grid("<f4", (5,)),
        "cube": grid("<f8", (2, 3, 2)),
        "fortran": np.asfortranarray(grid("<f8", (3, 4))),
        "fortran_big": np.asfortranarray(grid(">i8", (2, 3, 2))),
    }
    for name, array in singles.items():
        np.save(FOLDER / f"{name}.npy", array)
        line(f"{name}.npy", "-", array)
    for version in [(2, 0), (3, 0)]:
        with open(FOLDER / f"version_{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, singles["cube"], version=version)
        line(f"version_{version[0]}.npy", "-", singles["cube"])
    for name, save in [("plain.npz", np.savez), ("compressed.npz", np.savez_compressed)]:
        save(FOLDER / name, **ours(), fortran=singles["fortran"])
        for key, array in (ours() | {"fortran": singles["fortran"]}).items():
            line(name, key, array)
    refused = {
        "complex": np.zeros(2, dtype="<c16"),
        "text": np.array(["ab", "c"]),
        "object": np.array([None, 1], dtype=object),
        "record": np.zeros(2, dtype=[("a", "<f4"), ("b", "<i8")]),
        "time": np.array(["2020-01-01"], dtype="<M8[D]"),
        "large": np.array([1, 2**63], dtype="<u8"),
    }
    for name, array in refused.items():
        np.save(FOLDER / f"refused_{name}.npy", array)
    np.savez(FOLDER / "refused_complex.npz", good=singles["line"], bad=refused["complex"])
    (HERE / "numpy_files.txt").write_text("\n".join(lines) + "\n")


def check(path):
    with np.load(path) as file:
        found = dict(file)
    expected = ours()
    assert list(found) == list(expected), list(found)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].tobytes() == array.tobytes(), name
    print(f"{path}: {len(found)} arrays are as they should be")


if len(sys.argv) == 3 and sys.argv[1] == "check":
    check(sys.argv[2])
else:
    record()
