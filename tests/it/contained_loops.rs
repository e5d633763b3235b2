//! Loops that another loop contains run once: forward mode beside the values.

use pullback::{DType, Expr, Graph, Options, Rewrites, Value, graph::ScanDirection, ops::ScanOptions};

use crate::loops::{assert_close, cell, cell_inputs, numbers, reals};

/// How many loops a program has, and its results.
fn run(g: &Graph, results: &[(&str, Expr<'_>)], fed: &[(&str, Value)], rewrites: Rewrites) -> (usize, Vec<Vec<f64>>) {
    let mut program = g.compile_with(results.to_vec(), &Options { rewrites, ..Options::default() }).unwrap();
    let fed: Vec<(&str, &Value)> = fed.iter().map(|(name, value)| (*name, value)).collect();
    let out = program.call(fed.as_slice()).unwrap();
    let n_loops =
        program.show([]).unwrap().lines().filter(|line| !line.contains('|') && line.contains(" times ")).count();
    (n_loops, results.iter().map(|(name, _)| numbers(&out[*name])).collect())
}

/// That with as many loops as are left the results are those of all loops.
#[track_caller]
fn check(what: &str, g: &Graph, results: &[(&str, Expr<'_>)], fed: &[(&str, Value)], n_loops: usize) {
    let apart = Rewrites { ulp: false, ..Rewrites::default() };
    let ((found, values), (_, expected)) = (run(g, results, fed, Rewrites::default()), run(g, results, fed, apart));
    assert_eq!(found, n_loops, "{what}");
    for ((name, _), (values, expected)) in results.iter().zip(values.iter().zip(&expected)) {
        // The other rewrites of this class, too, are off by a few roundings.
        assert_close(&format!("{what}, {name}"), values, expected, 1e-12);
    }
}

#[test]
fn values_are_computed_once_beside_their_tangents() {
    for direction in [ScanDirection::Forward, ScanDirection::Backward] {
        let g = Graph::new();
        let input = |name: &str, shape: &[usize]| g.input_of(DType::F64, name, shape);
        let (xs, w, u, b) = (input("xs", &[5, 3, 2]), input("w", &[2, 16]), input("u", &[4, 16]), input("b", &[16]));
        let options = ScanOptions { direction, ..ScanOptions::default() };
        // Two carries with the same first value, of which each has a tangent.
        let h = input("h", &[3, 4]);
        let (last, outputs) = g.scan_with(&options, (h, h), xs, |carry, x| {
            let next = cell(x, carry, (w, u, b));
            (next, next.0)
        });
        let (loss, directions) = (outputs.sum() + last.1.square().sum(), [(w, w.cos()), (h, h.sin())]);
        let tangent = g.jvp(loss, &directions);
        let fed: Vec<(&str, Value)> = cell_inputs(5).into_iter().filter(|(name, _)| *name != "c").collect();
        check("values and tangents", &g, &[("loss", loss), ("outputs", outputs), ("tangent", tangent)], &fed, 1);
        let twice = g.jvp(tangent, &directions);
        check("to second order", &g, &[("loss", loss), ("tangent", tangent), ("twice", twice)], &fed, 1);
        let gradient = g.gradient(loss, u);
        let product = g.jvp(gradient, &directions);
        check("forward over reverse", &g, &[("loss", loss), ("gradient", gradient), ("product", product)], &fed, 2);
    }
}

#[test]
fn a_loop_whose_result_the_larger_one_reads_stays() {
    let g = Graph::new();
    let (x, k) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "k", (3,)));
    let y = g.fori(4, x, |_, y| (y * k).sin());
    let fed = [("x", reals(&[3], 0)), ("k", reals(&[3], 1))];
    // The direction is what the loop gives.
    check("direction", &g, &[("y", y), ("tangent", g.jvp(y, &[(x, y)]))], &fed, 2);
    // Each of two would give way to one that reads the other: one of them stays.
    let z = g.fori(4, k, |_, y| (y + x).cos());
    let (along_z, along_y) = (g.jvp(y, &[(x, z)]), g.jvp(z, &[(k, y)]));
    check("two that cross", &g, &[("y", y), ("z", z), ("along_z", along_z), ("along_y", along_y)], &fed, 3);
}

#[test]
fn loops_that_differ_are_not_taken_for_one_another() {
    let g = Graph::new();
    let (x, k) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "k", (3,)));
    let fed = [("x", reals(&[3], 0)), ("k", reals(&[3], 1))];
    let one = g.fori(4, x, |_, y| (y * k).sin());
    // The same first carry and operands, with another function beside it; another length; the carries changed over.
    let (other, _) = g.fori(4, (x, k), |_, (y, z)| ((y * k).cos(), (z + y).sin()));
    let (longer, _) = g.fori(5, (x, k), |_, (y, z)| ((y * k).sin(), z + y));
    let (crossed, _) = g.fori(4, (x, x), |_, (y, z)| ((z * k).sin(), (y * k).sin() + z));
    check("others", &g, &[("one", one), ("other", other), ("longer", longer), ("crossed", crossed)], &fed, 4);
}
