//! Every elementwise function of 100,000 numbers from where it is smooth, f32 and f64, on one thread, into an array that is
//! there already. The baselines are `add`, `exp` and `erf`, which are computed in vectors; functions of `ops/special/` are computed
//! one number after the other.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use ndarray::{ArrayD, IxDyn};
use pullback::{
    DType, Expr, Graph, Options, Parameters, Value,
    graph::Op,
    ops::{Sample, Smoothness, samples},
};

const N: usize = 100_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("function");
    group.sample_size(10).throughput(Throughput::Elements(N as u64));
    // There are a hundred of them.
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let is_function = |sample: &Sample| matches!(sample.op, Op::Unary(_) | Op::Binary(_));
    let has_numbers = |sample: &Sample| sample.operands.iter().all(|operand| !operand.shape().contains(&0));
    let samples = samples().into_iter().filter(|sample| sample.smoothness == Smoothness::Smooth);
    for sample in samples.filter(|sample| is_function(sample) && has_numbers(sample)) {
        for dtype in [DType::F32, DType::F64] {
            let fed: Vec<Value> = sample.operands.iter().map(|operand| spread(operand, dtype)).collect();
            let g = Graph::new();
            let names = &["a", "b"][..fed.len()];
            let operands: Vec<Expr<'_>> = names.iter().map(|name| input(&g, name, dtype)).collect();
            let y = g.apply_op(sample.op.clone(), &operands);
            let options = Options { threads: 1, ..Options::default() };
            let mut program = g.compile_with([("y", y)], &options).expect("a function has no mistake");
            let (mut out, parameters) = (fed[0].clone(), Parameters::default());
            group.bench_function(BenchmarkId::new(sample.op.name(), dtype), |bencher| {
                let fed: Vec<(&str, &Value)> = names.iter().copied().zip(&fed).collect();
                bencher.iter(|| program.run_into(&parameters, &fed, ("y", &mut out)).expect("the inputs fit"));
            });
        }
    }
    group.finish();
}

fn input<'g>(g: &'g Graph, name: &str, dtype: DType) -> Expr<'g> {
    if dtype == DType::F32 { g.input(name, (N,)) } else { g.input_of::<f64>(name, (N,)) }
}

/// Numbers in no order between the least and the greatest of the sample.
fn spread(operand: &Value, dtype: DType) -> Value {
    let sample = operand.array::<f64>().expect("samples are f64");
    let (low, high) = sample.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
    let step = low.abs().fract() + 0.618_033_988_749_894_9;
    let numbers = ArrayD::from_shape_fn(IxDyn(&[N]), |place| low + (high - low) * (place[0] as f64 * step).fract());
    if dtype == DType::F32 { Value::F32(numbers.mapv(|x| x as f32)) } else { Value::F64(numbers) }
}
