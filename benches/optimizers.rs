//! One step of an optimizer: of few parameters, of the network of W3's size in its eight arrays, and of many on all threads.

use criterion::Criterion;
use pullback::{
    DType, Gradients, Parameters,
    optim::{Adam, Optimizer, Sgd},
    parameters::Layout,
};

fn layers(sizes: &[usize]) -> Layout {
    let layer = |(position, pair): (usize, &[usize])| {
        let arrays = [("weight", pair.to_vec()), ("bias", vec![pair[1]])];
        arrays.map(|(name, shape)| (format!("{position}.{name}"), DType::F32, shape))
    };
    Layout::new(sizes.windows(2).enumerate().flat_map(layer)).expect("names differ")
}

type MakeOptimizer = fn() -> Box<dyn Optimizer>;

const RULES: &[(&str, MakeOptimizer)] = &[("sgd", || Box::new(Sgd::new(1e-3))), ("adam", || Box::new(Adam::new(1e-3)))];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("optimizer");
    for (size, sizes) in [("27", &[2, 5, 2][..]), ("670k", &[784, 512, 512, 10]), ("8M", &[2048, 2048, 2048])] {
        for (name, make) in RULES {
            group.bench_function(format!("{name} of {size}"), |bencher| {
                let mut parameters = Parameters::zeros(layers(sizes));
                let mut gradients = Gradients::zeros(parameters.layout().clone());
                gradients.flat_mut::<f32>().expect("there").fill(1e-3);
                let mut rule = make();
                bencher.iter(|| rule.step(&mut parameters, &gradients).expect("one layout"));
            });
        }
    }
    group.finish();
}
