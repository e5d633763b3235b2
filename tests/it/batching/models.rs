//! What batching is for: gradients of each example, ensembles, Markov chains, Jacobians and Hessians.

use ndarray::{Array2, ArrayD, Axis, Ix2, IxDyn, array};
use pullback::{
    Convolve, DType, Dim, Evaluation, Expr, Graph, Initializer, Parameters, Value,
    batching::{VmapAxes, VmapOptions},
    nn::{BatchNorm, Dropout, Layer, Linear, cross_entropy, linear},
    optim::{Adam, Optimizer, Sgd},
    parameters::State,
};

use super::{assert_close, stacked, values};

/// Sums of at most a thousand products of numbers near 1, added in another order.
const TOLERANCE: f64 = 1e-11;

/// The names and shapes of what the classifier learns.
const WEIGHTS: [(&str, &[usize]); 4] =
    [("kernel1", &[4, 1, 3, 3]), ("bias1", &[4]), ("kernel2", &[6, 4, 3, 3]), ("dense", &[24, 3])];

fn numbers(shape: &[usize], seed: f64) -> Value {
    let mut position = seed;
    Value::F64(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position = (position + 0.618_033_988_749_894_9_f64).fract();
        position - 0.45
    }))
}

/// Scores of images of 8 × 8 by two convolutions and a product; the loss of all together.
fn classifier<'g>(x: Expr<'g>, labels: Expr<'g>) -> (Expr<'g>, Vec<Expr<'g>>) {
    let g = x.graph();
    let weights: Vec<Expr<'g>> = WEIGHTS
        .iter()
        .map(|(name, shape)| g.named(name).unwrap_or_else(|| g.input_of(DType::F64, name, *shape)))
        .collect();
    let first = (x.convolve(weights[0], Convolve::same()) + weights[1].reshape((4, 1, 1))).relu().max_pool(2);
    let second = first.convolve(weights[2], Convolve::same()).tanh().max_pool(2);
    (cross_entropy(second.flatten(1).dot(weights[3]), labels).sum(), weights)
}

#[test]
fn gradients_of_each_example_of_a_convolutional_classifier_are_the_loop_and_add_up_to_those_of_all() {
    const N: usize = 5;
    for n in [Dim::from(N), Dim::symbol("examples")] {
        let g = Graph::new();
        let (x, label) = (g.input_of(DType::F64, "x", (1, 1, 8, 8)), g.input_of(DType::I64, "label", (1,)));
        let (loss, weights) = classifier(x, label);
        let gradients = g.gradients(loss, &weights);
        let xs = g.input_of(DType::F64, "xs", (n.clone(), 1, 1, 8, 8));
        let labels = g.input_of(DType::I64, "labels", (n.clone(), 1));
        let of_each = g.batch(gradients.as_slice(), [(x, xs), (label, labels)]);
        // The same model of all images together, which no rule of batching has seen.
        let (total, _) = classifier(xs.reshape((n.clone(), 1, 8, 8)), labels.reshape((n,)));
        let of_all = g.gradients(total, &weights);

        let mut shared: Vec<(String, Value)> = WEIGHTS
            .iter()
            .map(|(name, shape)| ((*name).to_string(), numbers(shape, 0.1 * shape.len() as f64)))
            .collect();
        let images: Vec<Value> = (0..N).map(|k| numbers(&[1, 1, 8, 8], 0.17 * k as f64)).collect();
        let classes: Vec<Value> = (0..N).map(|k| Value::from(array![k as i64 % 3])).collect();
        let looped: Vec<Vec<Value>> = images
            .iter()
            .zip(&classes)
            .map(|(image, class)| {
                let fed = [("x".to_string(), image.clone()), ("label".to_string(), class.clone())];
                values(&gradients, &[shared.as_slice(), &fed].concat(), Evaluation::Compiled)
            })
            .collect();
        shared.extend([("xs".to_string(), stacked(&images, 0)), ("labels".to_string(), stacked(&classes, 0))]);
        let found = values(&of_each, &shared, Evaluation::Compiled);
        let sums = values(&of_all, &shared, Evaluation::Compiled);
        for (position, (found, sum)) in found.iter().zip(&sums).enumerate() {
            let expected = stacked(&looped.iter().map(|row| row[position].clone()).collect::<Vec<_>>(), 0);
            let name = WEIGHTS[position].0;
            assert_close(name, found, &expected, TOLERANCE);
            let array: &ArrayD<f64> = found.array().expect("f64");
            assert!(array.iter().any(|x| x.abs() > 1e-3), "{name}: nothing to compare");
            assert_close(name, &Value::F64(array.sum_axis(Axis(0))), sum, TOLERANCE);
        }
    }
}

const N_NETWORKS: usize = 16;

/// The mean loss of a network of two layers.
fn network<'g>(x: Expr<'g>, labels: Expr<'g>, weights: [Expr<'g>; 2]) -> Expr<'g> {
    cross_entropy(x.dot(weights[0]).tanh().dot(weights[1]), labels).mean()
}

#[test]
fn sixteen_networks_trained_at_once_become_what_each_becomes_alone() -> Result<(), Box<dyn std::error::Error>> {
    let normal = Initializer::Normal { mean: 0.0, deviation: 0.5 };
    let data = |g: &Graph| {
        let x = g.input_of(DType::F64, "x", ("batch", 3)).id();
        (x, g.input_of(DType::I64, "labels", ("batch",)).id())
    };
    let g = Graph::new();
    let (x, labels) = data(&g);
    let one = [g.input_of(DType::F64, "one.w", (3, 8)), g.input_of(DType::F64, "one.v", (8, 2))];
    let loss = network(g.expr(x), g.expr(labels), one);
    let all = [(3, 8, "w"), (8, 2, "v")]
        .map(|(n_in, n_out, name)| g.parameter_of(DType::F64, name, (N_NETWORKS as i64, n_in, n_out), normal));
    let losses = g.batch(loss, one.into_iter().zip(all));
    // A sum, so that the gradient of each network is that of its own loss.
    let mut at_once = g.compile_training(losses.sum())?;
    let mut params = g.initialize(5)?;
    let first = params.clone();

    let alone_graph = Graph::new();
    let (x, labels) = data(&alone_graph);
    let weights = [
        alone_graph.parameter_of(DType::F64, "w", (3, 8), normal),
        alone_graph.parameter_of(DType::F64, "v", (8, 2), normal),
    ];
    let loss = network(alone_graph.expr(x), alone_graph.expr(labels), weights);
    let mut alone = alone_graph.compile_training(loss)?;

    let x = numbers(&[20, 3], 0.3);
    let labels: Vec<i64> = (0..20).map(|row| i64::from(row % 3 == 0)).collect();
    let train =
        |step: &mut pullback::TrainingStep, params: &mut Parameters| -> Result<(), Box<dyn std::error::Error>> {
            let mut rule = Sgd::new(0.5);
            for _ in 0..30 {
                let out = step.run(&*params, (("x", &x), ("labels", &labels)))?;
                rule.step(params, &out.gradients)?;
            }
            Ok(())
        };
    train(&mut at_once, &mut params)?;
    for network in 0..N_NETWORKS {
        let mut own = alone_graph.initialize(0)?;
        for name in ["w", "v"] {
            own.array_mut::<f64>(name)?.assign(&first.array::<f64>(name)?.index_axis(Axis(0), network));
        }
        train(&mut alone, &mut own)?;
        for name in ["w", "v"] {
            let found = Value::F64(params.array::<f64>(name)?.index_axis(Axis(0), network).to_owned());
            let moved = &own.array::<f64>(name)? - &first.array::<f64>(name)?.index_axis(Axis(0), network);
            assert!(moved.iter().any(|step| step.abs() > 1e-3), "network {network} did not learn");
            // Thirty steps carry the rounding of the first on.
            assert_close(name, &found, &Value::F64(own.array::<f64>(name)?.to_owned()), 1e-10);
        }
    }
    Ok(())
}

/// One step of a Metropolis walk for a normal distribution, with keys of its own for proposal and acceptance.
fn metropolis<'g>(x: Expr<'g>, key: Expr<'g>, step: Expr<'g>) -> Expr<'g> {
    let g = x.graph();
    let keys = g.split_key(key, 2);
    let proposal = x + g.random_normal(keys.slice(0), step, DType::F64, x.shape());
    let log_density = |x: Expr<'g>| x.square().sum() * -0.5;
    let level = g.random_uniform(keys.slice(1), step, DType::F64, ()).log();
    level.less(log_density(proposal) - log_density(x)).select(proposal, x)
}

#[test]
fn eight_chains_with_split_keys_are_eight_chains_and_with_one_key_are_one() -> Result<(), Box<dyn std::error::Error>> {
    const N_CHAINS: usize = 8;
    let g = Graph::new();
    let (x, step) = (g.input_of(DType::F64, "x", (2,)), g.input_of(DType::I64, "step", ()));
    let key = g.input_of(DType::I64, "key", ());
    let next = metropolis(x, key, step);
    let keys = g.split_key(g.constant(11i64), N_CHAINS);
    let xs = g.input_of(DType::F64, "xs", (N_CHAINS, 2));
    let mut split = g.compile([("xs", g.batch(next, [(x, xs), (key, keys)]))])?;
    let mut shared = g.compile([("xs", g.batch(next, [(x, xs)]))])?;
    let mut alone = g.compile([("x", next)])?;
    let mut key_values = g.compile(keys)?;
    let keys: Vec<i64> = key_values.call(())?.take::<i64>("result")?.iter().copied().collect();

    let start = Array2::<f64>::zeros((N_CHAINS, 2));
    let (mut chains, mut one_draw) = (start.clone(), start);
    let mut each: Vec<ArrayD<f64>> = vec![ArrayD::zeros(IxDyn(&[2])); N_CHAINS];
    for step in 0..200i64 {
        chains = split.call((("xs", &chains), ("step", step)))?.array::<f64, Ix2>("xs")?.to_owned();
        one_draw = shared.call((("xs", &one_draw), ("step", step), ("key", 3i64)))?.array::<f64, Ix2>("xs")?.to_owned();
        for (x, key) in each.iter_mut().zip(&keys) {
            *x = alone.call((("x", &*x), ("step", step), ("key", *key)))?.take::<f64>("x")?;
        }
    }
    for (chain, alone) in chains.outer_iter().zip(&each) {
        // Random bits are the same; what is made of them differs by its roundings in fused programs of few elements.
        assert_close("a chain", &Value::F64(chain.to_owned().into_dyn()), &Value::F64(alone.clone()), 1e-9);
    }
    for first in 0..N_CHAINS {
        assert!((0..first).all(|second| chains.row(first) != chains.row(second)), "two chains are one");
    }
    // A draw whose key is shared is one draw: chains that start together stay together.
    assert!(one_draw.outer_iter().all(|chain| chain == one_draw.row(0)) && one_draw.row(0) != array![0.0, 0.0]);
    Ok(())
}

#[test]
fn keys_that_are_split_differ_from_each_other_and_from_those_of_another_key() {
    let g = Graph::new();
    let key = g.input_of(DType::I64, "key", ());
    let keys = g.split_key(key, 1000);
    let of_keys = g.batch(g.split_key(key, 3), [(key, keys)]);
    let fed = |key: i64| [("key".to_string(), Value::from(key))];
    let mut all: Vec<i64> = Vec::new();
    for key in [0, 1, -1] {
        for value in values(&[keys, of_keys], &fed(key), Evaluation::Compiled) {
            all.extend(value.array::<i64>().expect("keys are i64"));
        }
    }
    let n = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((n, all.len()), (12_000, 12_000));
}

#[test]
fn jacobians_and_hessians_are_batches_of_products_with_basis_vectors() {
    let g = Graph::new();
    let (x, w) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "w", (4, 3)));
    let y = w.dot(x).tanh();
    let (row, column) = (g.input_of(DType::F64, "row", (4,)), g.input_of(DType::F64, "column", (3,)));
    let by_rows = g.batch(g.vjp(y, row, &[x])[0], [(row, g.eye(4, DType::F64))]);
    let by_columns = g.batch(g.jvp(y, &[(x, column)]), [(column, g.eye(3, DType::F64))]).move_axis(0, -1);
    let slope = 1.0 - y.square();
    let by_hand = slope.unsqueeze(1) * w;

    let f = x.powi(4).sum() + x.prod();
    let hessian = g.batch(g.jvp(g.gradient(f, x), &[(x, column)]), [(column, g.eye(3, DType::F64))]);
    let fed = [("x".to_string(), Value::from(array![0.5, -2.0, 3.0])), ("w".to_string(), numbers(&[4, 3], 0.2))];
    let found = values(&[by_rows, by_columns, by_hand, hessian], &fed, Evaluation::Compiled);
    assert_close("by rows", &found[0], &found[2], 1e-14);
    assert_close("by columns", &found[1], &found[2], 1e-14);
    // 12xᵢ² on the diagonal, the other factor of the product beside it.
    let expected = array![[3.0, 3.0, -2.0], [3.0, 48.0, 0.5], [-2.0, 0.5, 108.0]];
    assert_close("Hessian", &found[3], &Value::from(expected), 1e-13);
}

/// A closure is built once on nodes that are then replaced: the graph is that of a batch written by hand, to the letter.
#[test]
fn a_closure_over_slices_is_a_batch_of_what_it_builds_with_axes_in_and_out() {
    let options = VmapOptions { axes: VmapAxes::Each(vec![-1, 1]), out_axes: VmapAxes::Each(vec![1, -1]) };
    fn build<'g>(a: Expr<'g>, b: Expr<'g>, w: Expr<'g>) -> (Expr<'g>, Expr<'g>) {
        let product = a.dot(b);
        (product, a.graph().gradient((product.tanh() * w.dot(b)).sum(), w))
    }
    let text = |is_closure: bool| {
        let g = Graph::new();
        let (many_a, many_b) = (g.input_of(DType::F64, "a", (2, 3, "n")), g.input_of(DType::F64, "b", (3, "n")));
        let w = g.input_of(DType::F64, "w", (2, 3));
        let (product, gradient) = if is_closure {
            g.vmap_with(&options, (many_a, many_b), |(a, b)| build(a, b, w))
        } else {
            let (a, b) = (g.input_of(DType::F64, "one_a", (2, 3)), g.input_of(DType::F64, "one_b", (3,)));
            let (product, gradient) = build(a, b, w);
            let [product, gradient] = g.batch([product, gradient], [(a, many_a, -1), (b, many_b, 1)]);
            (product.move_axis(0, 1), gradient.move_axis(0, -1))
        };
        assert_eq!((product.shape().to_string(), gradient.shape().to_string()), ("[2, n]".into(), "[2, 3, n]".into()));
        g.to_text([("product", product), ("gradient", gradient)])
    };
    assert_eq!(text(true), text(false));
}

/// Keys that are sliced give each slice its own draws, those that it has alone; a key from outside gives all the same.
#[test]
fn a_closure_draws_as_its_keys_say() {
    let g = Graph::new();
    let (key, step) = (g.input_of(DType::I64, "key", ()), g.input_of(DType::I64, "step", ()));
    let keys = g.split_key(key, 5);
    let draw = |key| g.random_normal(key, step, DType::F64, (3,));
    let each = g.vmap(keys, draw);
    let alone: Vec<Expr<'_>> = (0..5).map(|k| draw(keys.slice(k))).collect();
    let shared = g.vmap(keys, |_| draw(key));
    let results = [each, alone[0].stack(alone[1..].to_vec(), 0), shared];
    let fed = [("key".to_string(), Value::from(4i64)), ("step".to_string(), Value::from(9i64))];
    let found = values(&results, &fed, Evaluation::Compiled);
    let rows = |value: &Value| -> Array2<f64> {
        let array: &ArrayD<f64> = value.array().expect("numbers of f64");
        array.clone().into_dimensionality().expect("two axes")
    };
    let rows: Vec<Array2<f64>> = found.iter().map(rows).collect();
    assert_close("alone", &Value::from(rows[0].clone()), &Value::from(rows[1].clone()), 1e-14);
    for first in 0..5 {
        assert!((0..first).all(|second| rows[0].row(first) != rows[0].row(second)), "two slices draw the same");
        assert_eq!(rows[2].row(first), rows[2].row(0), "a shared key is one draw");
    }
}

#[test]
fn slices_along_any_axis_and_results_along_any_other() {
    let g = Graph::new();
    let (a, b) = (g.input_of(DType::F64, "a", (2, 3)), g.input_of(DType::F64, "b", (3,)));
    let (last, middle) = (g.input_of(DType::F64, "last", (2, 3, "n")), g.input_of(DType::F64, "middle", (3, "n")));
    let ys = g.batch(a.dot(b), [(a, last, -1), (b, middle, 1)]).move_axis(0, 1);
    assert_eq!(ys.shape().to_string(), "[2, n]");
    let (all_a, all_b) = (numbers(&[2, 3, 4], 0.1), numbers(&[3, 4], 0.7));
    let fed = [("last".to_string(), all_a.clone()), ("middle".to_string(), all_b.clone())];
    let found = values(&[ys], &fed, Evaluation::Compiled).remove(0);
    let (all_a, all_b): (&ArrayD<f64>, &ArrayD<f64>) = (all_a.array().unwrap(), all_b.array().unwrap());
    let expected =
        Array2::from_shape_fn((2, 4), |(row, n)| (0..3).map(|k| all_a[[row, k, n]] * all_b[[k, n]]).sum::<f64>());
    assert_close("slices", &found, &Value::from(expected), 1e-14);
}

/// A model with all that there is: a layer that is called twice, batch norm and dropout, of which each copy has its own.
#[test]
fn an_ensemble_is_what_each_of_its_models_is_alone() -> Result<(), Box<dyn std::error::Error>> {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 4)), g.input_of(DType::I64, "label", ("batch",)));
    let fold = Linear::new(&g, "fold", 4, 4);
    let h = BatchNorm::new(&g, "norm", 4).call(fold.call(fold.call(x).tanh()));
    let scores = linear(Dropout::new(&g, "dropout", 0.25).call(h), "out", 3);
    let loss = cross_entropy(scores, label).mean();
    let x: &ArrayD<f64> = &numbers(&[16, 4], 0.7).array::<f64>().expect("f64").clone();
    let data = (x.mapv(|x| x as f32), (0..16).map(|row| row % 3).collect::<Vec<i64>>());
    let batch = (("x", &data.0), ("label", &data.1));
    let train = |step: &mut pullback::TrainingStep, params: &mut Parameters| {
        let mut rule = Adam::new(0.01);
        for _ in 0..5 {
            let out = step.run(&mut *params, batch)?;
            rule.step(params, &out.gradients)?;
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    };

    let all = g.ensemble(5, [("loss", loss), ("scores", scores)])?;
    let losses = all.result("loss").expect("it was asked for");
    let singles = (0..5).map(|seed| g.initialize(seed)).collect::<Result<Vec<_>, _>>()?;
    let mut params = Parameters::stack(&singles)?;
    assert_eq!(params.unstack()?, singles);
    train(&mut all.graph.compile_training(losses.sum())?, &mut params)?;
    let scores_of_all =
        all.graph.compile(all.result("scores").expect("it was asked for"))?.run(&params, ("x", &data.0))?;

    let mut alone = g.compile_training(loss)?;
    let mut evaluation = g.compile(scores)?;
    for (position, (mut single, found)) in singles.into_iter().zip(params.unstack()?).enumerate() {
        train(&mut alone, &mut single)?;
        for (name, array) in single.iter() {
            let array: &ArrayD<f32> = &array.to_value().array::<f32>().expect("f32").clone();
            let found = found.array::<f32>(name)?;
            assert!(array.iter().zip(&found).all(|(one, other)| (one - other).abs() < 1e-5), "{name} of {position}");
        }
        for (name, value) in single.state().iter() {
            let found = found.state().get(name).expect("it was stacked");
            match (value, found) {
                (Value::F32(one), Value::F32(other)) => {
                    assert!(one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-5), "{name}");
                }
                _ => assert_eq!(value, found, "{name}"),
            }
        }
        let scores = evaluation.run(&single, ("x", &data.0))?;
        let (Value::F32(one), Value::F32(all)) = (&scores["result"], &scores_of_all["result"]) else { panic!("f32") };
        let all = all.index_axis(Axis(0), position);
        assert!(one.iter().zip(&all).all(|(one, other)| (one - other).abs() < 1e-4));
    }
    Ok(())
}

#[test]
fn what_cannot_be_stacked_is_told() -> Result<(), Box<dyn std::error::Error>> {
    let model = |width: i64, name: &str| {
        let g = Graph::new();
        g.parameter("w", (width,), Initializer::Zeros);
        g.state(name, (2,), Initializer::Zeros);
        g.initialize(0)
    };
    let (one, wide, other) = (model(2, "s")?, model(3, "s")?, model(2, "t")?);
    assert!(Parameters::stack(&[]).is_err());
    assert!(Parameters::stack(&[one.clone(), wide]).is_err());
    assert!(Parameters::stack(&[one.clone(), other]).is_err());
    let stacked = Parameters::stack(&[one.clone(), one.clone(), one.clone()])?;
    assert!(stacked.unstack()?.iter().all(|part| *part == one));
    let uneven = stacked.with_state(State::new([("s", array![1.0f32].into())]));
    let error = uneven.unstack().expect_err("one is shorter").to_string();
    assert!(error.contains("`s` of shape [1] is not stacked: its first axis is not 3"), "{error}");
    Ok(())
}
