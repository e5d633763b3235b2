//! Three operations of one's own: a sparse matrix times a vector, a table that is looked up with linear interpolation, and a
//! spline of another crate. Each is proved, and used in a program beside the library's own operations.
//!
//! ```text
//! cargo run --release --example custom
//! ```

mod sparse;
mod spline;
mod table;

use pullback::{
    DType, Graph, Value,
    check::prove_operation,
    ops::{CustomError, Smoothness},
};
use sparse::{Pattern, SparseProduct};
use spline::Spline;
use table::Table;

fn main() -> Result<(), CustomError> {
    heat()?;
    inverse_of_a_table()?;
    steepest_point()
}

/// Heat in a rod of 100 cells: the conductivity of each wall is found from the temperatures after 50 steps.
fn heat() -> Result<(), CustomError> {
    const N: usize = 100;
    let pattern = Pattern::new(
        N,
        N,
        (0..N).flat_map(|row| (row.saturating_sub(1)..(row + 2).min(N)).map(move |column| (row, column))),
    )?;
    let values = Value::from(vec![0.25; pattern.n_values()]);
    let product = SparseProduct::new(pattern.clone());
    let x = Value::from((0..N).map(|cell| (cell as f64 * 0.1).sin()).collect::<Vec<f64>>());
    prove_operation(product.clone(), [values.clone(), x.clone()], Smoothness::Smooth)?;

    let g = Graph::new();
    let matrix = g.input_of(DType::F64, "matrix", (pattern.n_values(),));
    let start = g.input_of(DType::F64, "start", (N,));
    let end = g.fori(50, start, |_, x| g.custom(product.clone(), [matrix, x]));
    let loss = end.square().sum();
    let mut program = g.compile([("loss", loss), ("gradient", g.gradient(loss, matrix))])?;
    let out = program.call((("matrix", &values), ("start", &x)))?;
    println!("heat: loss {:.3e}, {} derivatives in one sweep", out.scalar::<f64>("loss")?, out["gradient"].len());
    Ok(())
}

/// Where a table has a given value, by Newton's method.
fn inverse_of_a_table() -> Result<(), CustomError> {
    let table = Table::new(0.0, 2.0, (0..=20).map(|k| (0.1 * f64::from(k)).powi(2)));
    prove_operation(table.clone(), [Value::from([0.234, 1.15, 1.99])], Smoothness::Smooth)?;

    let g = Graph::new();
    let wanted = g.input_of(DType::F64, "wanted", ("n",));
    let x = g.fori(20, wanted.ones_like(), |_, x| {
        let y = g.custom(table.clone(), [x]);
        x - (y - wanted) / g.gradient(y.sum(), x)
    });
    let mut program = g.compile(x)?;
    let out = program.call(("wanted", &[0.5, 2.0, 3.5]))?;
    println!("table: {:.4} have the values 0.5, 2, 3.5", out["result"]);
    Ok(())
}

/// Where the interpolation of a sine by a spline is steepest: a zero of the second derivative, found by the third.
fn steepest_point() -> Result<(), CustomError> {
    let times: Vec<f64> = (0..40).map(|k| 0.2 * f64::from(k)).collect();
    let spline = Spline::through(&times, &times.iter().map(|t| t.sin()).collect::<Vec<f64>>())?;
    prove_operation(spline.clone(), [Value::from([0.7, 3.3, 5.1])], Smoothness::Smooth)?;

    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let slope = |x| g.gradient(g.custom(spline.clone(), [x]), x);
    let found = g.fori(8, x, |_, x| {
        let second = g.gradient(slope(x), x);
        x - second / g.gradient(second, x)
    });
    let mut program = g.compile(found)?;
    let out = program.call(("x", 3.0))?;
    println!(
        "spline: steepest at {:.6}, where the sine is steepest at {:.6}",
        out.scalar::<f64>("result")?,
        std::f64::consts::PI
    );
    Ok(())
}
