//! The first steps of a training, written down for another program: tests/recorded/gpt.py takes them by PyTorch. In: a task and first
//! weights. Out: a file of the weights, the batches, the rates and the losses.

use std::{error::Error, path::Path, time::Instant};

use ndarray::{ArrayD, Axis, arr0, arr1, concatenate, stack};
use pullback::{
    Parameters, TrainingStep, Value,
    data::{Batch, Batching},
    io::Arrays,
    optim::Optimizer,
};

use crate::{CLIP_NORM, Task, WEIGHT_DECAY};

const STEPS: usize = 20;

/// Takes the steps, prints the time of one, and writes the file.
pub(crate) fn run(
    task: &Task,
    step: &mut TrainingStep,
    mut parameters: Parameters,
    seed: u64,
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let batches = Batching::new(task.batch).epoch(&task.train, seed, 0)?.take(STEPS);
    let batches = batches.collect::<Result<Vec<Batch>, _>>()?;
    if batches.is_empty() {
        return Err("the text is shorter than one batch of windows".into());
    }
    let mut arrays = Arrays::new();
    for (name, view) in parameters.iter() {
        arrays.insert(name, view.to_value());
    }
    let schedule = task.schedule();
    let rates: Vec<f64> = (0..batches.len() as u64).map(|step| schedule.rate(step)).collect();
    let (mut rule, mut losses, mut times) = (task.rule(), Vec::new(), Vec::new());
    for batch in &batches {
        let start = Instant::now();
        let mut out = step.run(&parameters, batch)?;
        out.gradients.clip_norm(CLIP_NORM)?;
        rule.step(&mut parameters, &out.gradients)?;
        times.push(start.elapsed().as_secs_f64());
        losses.push(out.loss);
    }
    times.sort_by(f64::total_cmp);
    println!("loss {:.6} at first, {:.6} in the last of {} steps", losses[0], losses[losses.len() - 1], losses.len());
    println!("a step takes {:.1} ms in the median", 1e3 * times[times.len() / 2]);
    arrays.insert("exchange.tokens", tokens(&batches)?);
    arrays.insert("exchange.heads", arr0(task.sizes.heads as i64).into());
    arrays.insert("exchange.rates", arr1(&rates).into());
    arrays.insert("exchange.losses", arr1(&losses).into());
    arrays.insert("exchange.weight_decay", arr0(WEIGHT_DECAY).into());
    arrays.insert("exchange.clip_norm", arr0(CLIP_NORM).into());
    Ok(arrays.save(path)?)
}

/// `i64[steps, batch, context + 1]`
fn tokens(batches: &[Batch]) -> Result<Value, Box<dyn Error>> {
    let joined = |batch: &Batch| -> Result<ArrayD<i64>, Box<dyn Error>> {
        let column = |name: &str| batch[name].array::<i64>().ok_or("tokens are integers");
        let (x, y) = (column("x")?, column("y")?);
        Ok(concatenate(Axis(1), &[x.view(), y.slice_axis(Axis(1), (-1..).into()).view()])?)
    };
    let all = batches.iter().map(joined).collect::<Result<Vec<_>, _>>()?;
    let views: Vec<_> = all.iter().map(|array| array.view()).collect();
    Ok(stack(Axis(0), &views)?.into())
}
