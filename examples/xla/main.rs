//! Exports a step of training to XLA, and trains by it here too, for `train.py` to be compared with: a classifier of handwritten digits,
//! 64-32-10, by gradient descent whose updates are in the graph.
//!
//! ```text
//! cargo run --release --example xla -- target/xla/train
//! ```
//!
//! writes `step.mlir`, `parameters.npz`, `batches.npz` and `losses.txt` into the folder. `tests/xla/run` does the rest.

use std::{error::Error, fmt::Write as _, path::Path};

use ndarray::{ArrayView1, ArrayView2, Axis, Ix1, Ix2};
use pullback::{
    DType, Graph, StableHloOptions, Value,
    data::digits,
    io::Arrays,
    nn::{cross_entropy, linear},
};

const BATCH: usize = 64;
const N_BATCHES: usize = 28;
const RATE: f64 = 0.3;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/xla/train".to_owned());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;

    let g = Graph::new();
    let (x, labels) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "labels", ("batch",)));
    let hidden = linear(x, "hidden", 32).relu();
    let loss = cross_entropy(linear(hidden, "output", 10), labels).mean();
    let leaves = g.parameters();
    let mut results = vec![("loss".to_owned(), loss)];
    for (leaf, gradient) in leaves.iter().zip(g.gradients(loss, &leaves)) {
        results.push((leaf.name().unwrap_or_default(), *leaf - RATE * gradient));
    }
    let mut program = g.compile(results)?;
    let options = StableHloOptions::new().size("batch", BATCH as i64).shard("batch", "data");
    std::fs::write(folder.join("step.mlir"), program.to_stablehlo(&options)?)?;

    let mut parameters = g.initialize(1)?;
    let names: Vec<String> = parameters.names().map(str::to_owned).collect();
    let mut first = Arrays::new();
    for name in &names {
        first.insert(name, parameters.view(name).ok_or("a parameter is missing")?.to_value());
    }
    first.save_npz(folder.join("parameters.npz"))?;

    let data = digits();
    let (pixels, classes): (ArrayView2<'_, f32>, ArrayView1<'_, i64>) =
        (data.array::<f32, Ix2>("x")?, data.array::<i64, Ix1>("label")?);
    let (mut all_pixels, mut all_classes) = (Vec::new(), Vec::new());
    let mut losses = String::new();
    for batch in 0..N_BATCHES {
        let rows = ndarray::Slice::from(batch * BATCH..(batch + 1) * BATCH);
        let (x, labels) = (pixels.slice_axis(Axis(0), rows), classes.slice_axis(Axis(0), rows));
        let out = program.run(&parameters, (("x", &x), ("labels", &labels)))?;
        writeln!(losses, "{:.9e}", out.scalar::<f32>("loss")?)?;
        for name in &names {
            parameters.set(name, &out[name.as_str()])?;
        }
        all_pixels.push(x);
        all_classes.push(labels);
    }
    let mut batches = Arrays::new();
    batches.insert("x", Value::from(ndarray::stack(Axis(0), &all_pixels)?));
    batches.insert("labels", Value::from(ndarray::stack(Axis(0), &all_classes)?));
    batches.save_npz(folder.join("batches.npz"))?;
    std::fs::write(folder.join("losses.txt"), &losses)?;
    println!("{N_BATCHES} steps, the loss of the last is {}", losses.lines().last().unwrap_or_default());
    Ok(())
}
