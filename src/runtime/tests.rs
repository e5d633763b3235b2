//! Small random graphs through every pass: on a machine on which everything pays, products are computed in bands, pairs
//! of matrix and vector share a pass over the matrix, values are written in place and rematerialized, and steps are cut
//! into tasks, at sizes that an ordinary machine would not cut. The reference has the truth.

use ndarray::{ArrayD, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{CachingEngine, Execution, InstructionSet, Subgraph};
use crate::{
    graph::{Bindings, DType, Expr, Graph, MAX_ITERATIONS, NodeId, Value, ValueView, ValueViewMut},
    ops::Convolve,
    plan::{Action, MachineModel, Plan, PlanInput, Settings, StepKind, Storage, VertexKind},
    program::Engine,
    reference::Evaluator,
};

/// A graph of matrices with its inputs, a value for each, and results: some values, a sum and its gradients.
struct Model {
    graph: Graph,
    leaves: Vec<Option<NodeId>>,
    values: Vec<Value>,
    results: Vec<NodeId>,
}

/// Makes inputs and remembers them.
struct Maker<'g> {
    graph: &'g Graph,
    rng: ChaCha8Rng,
    inputs: Vec<Expr<'g>>,
    values: Vec<Value>,
}

impl<'g> Maker<'g> {
    fn input(&mut self, shape: &[usize]) -> Expr<'g> {
        let name = format!("x{}", self.inputs.len());
        let input = self.graph.input_of(DType::F64, &name, shape);
        let rng = &mut self.rng;
        self.values.push(Value::F64(ArrayD::from_shape_simple_fn(IxDyn(shape), || rng.random_range(-1.0..1.0))));
        self.inputs.push(input);
        input
    }

    fn sizes(&self, x: Expr<'g>) -> [usize; 2] {
        let sizes = x.shape().as_numbers().expect("sizes are numbers");
        [sizes[0], sizes[1]]
    }

    /// One more matrix from one that there is.
    fn step(&mut self, x: Expr<'g>) -> Expr<'g> {
        let [rows, columns] = self.sizes(x);
        match self.rng.random_range(0..9) {
            // A layer: a product whose rows the next functions go on with.
            0..3 => {
                let width = self.rng.random_range(2..12);
                let (weight, bias) = (self.input(&[columns, width]), self.input(&[width]));
                (x.dot(weight) + bias).tanh()
            }
            // A linear model, whose gradient reads the matrix again.
            3 => {
                let vector = self.input(&[columns]);
                let score = x.dot(vector).sigmoid();
                x * score.reshape((rows, 1))
            }
            4 => {
                let kernel = self.input(&[2, 1, 3, 3]);
                let image = x.reshape((1, 1, rows, columns));
                image.convolve(kernel, Convolve::same()).sum_over([0, 1]).sin()
            }
            5 => {
                let indices: Vec<i64> = (0..rows).map(|_| self.rng.random_range(0..rows as i64)).collect();
                x.gather(self.graph.constant(ndarray::Array1::from(indices)), 0)
            }
            6 => x.softmax(-1) - x.mean_over(0).exp(),
            7 => x.reverse(1) + 0.5,
            _ => (x * x + 1.0).log() * x,
        }
    }
}

fn model(seed: u64) -> Model {
    let graph = Graph::new();
    let mut maker =
        Maker { graph: &graph, rng: ChaCha8Rng::seed_from_u64(seed), inputs: Vec::new(), values: Vec::new() };
    let shape = [maker.rng.random_range(8..40), maker.rng.random_range(2..12)];
    let mut pool = vec![maker.input(&shape)];
    for _ in 0..maker.rng.random_range(2..7) {
        let from = pool[maker.rng.random_range(0..pool.len())];
        let next = maker.step(from);
        pool.push(next);
    }
    let terms = pool.iter().map(|x| x.tanh().sum());
    let sum = terms.reduce(|sum, term| sum + term).expect("there is an input");
    let last = *pool.last().expect("there is an input");
    let mut results = vec![sum.id(), last.id()];
    results.extend(graph.gradients(sum, &maker.inputs).iter().map(Expr::id));
    graph.check().unwrap();
    let leaves = maker.inputs.iter().map(|input| Some(input.id())).collect();
    let values = maker.values;
    Model { leaves, values, results, graph }
}

fn zeros(model: &Model) -> Vec<Value> {
    let zeros = |id: &NodeId| {
        let ty = &model.graph.node(*id).ty;
        Value::zeros(ty.dtype, &ty.shape.as_numbers().expect("sizes are numbers"))
    };
    model.results.iter().map(zeros).collect()
}

fn run(engine: &mut dyn Engine, model: &Model) -> Vec<Value> {
    let mut results = zeros(model);
    let leaves: Vec<ValueView<'_>> = model.values.iter().map(Value::view).collect();
    let mut views: Vec<ValueViewMut<'_>> = results.iter_mut().map(Value::view_mut).collect();
    engine.run(&leaves, &Bindings::new(), &mut views).unwrap();
    drop(views);
    results
}

/// How often each pass had something to do.
#[derive(Debug, Default)]
struct Found {
    bands: usize,
    pairs: usize,
    in_place: usize,
    shared: usize,
    convolutions: usize,
    gathers: usize,
}

impl Found {
    fn count(&mut self, plan: &Plan) {
        let programs = || {
            plan.steps.iter().filter_map(|step| match &step.work {
                StepKind::Tile(program) => Some(program),
                StepKind::Contraction(..) | StepKind::Primitive(..) | StepKind::Nested(..) => None,
            })
        };
        let is_named = |name: &str| {
            let is_it =
                |step: &&crate::plan::PlanStep| matches!(&step.work, StepKind::Primitive(_, op) if op.name() == name);
            plan.steps.iter().filter(is_it).count()
        };
        self.bands += programs().filter(|program| program.product.is_some()).count();
        self.pairs += plan.network.vertices.iter().filter(|def| matches!(def.kind, VertexKind::DotRows(_))).count();
        let stores = programs().flat_map(|program| &program.instructions);
        self.in_place += stores.filter(|instruction| instruction.action == Action::Store).count();
        self.shared += programs().filter(|program| program.n_tasks > 1).count();
        self.convolutions += is_named("convolution");
        self.gathers += is_named("gather");
        assert!(plan.storage.iter().any(|place| matches!(place, Storage::Output(_))));
    }
}

/// 300 graphs of up to 40 rows, on one thread and on three, with and without a budget of memory.
#[test]
fn small_graphs_that_are_cut_like_large_ones_give_what_the_reference_gives() {
    let mut found = Found::default();
    for seed in 0..300 {
        let model = model(seed);
        let bindings = Bindings::new();
        let truth = run(&mut Evaluator::new(&model.graph, &model.leaves, &model.results), &model);
        for (n_threads, memory_budget) in [(1, None), (3, None), (3, Some(0))] {
            let settings = Settings { model: MachineModel::TINY, memory_budget, max_iterations: MAX_ITERATIONS };
            let Model { graph, leaves, results, .. } = &model;
            let source = PlanInput { graph, leaves, results, bindings: &bindings };
            found.count(&Plan::new(source, &settings).unwrap());
            let part = Subgraph { graph: self::model(seed).graph, leaves: leaves.clone(), results: results.clone() };
            let execution = Execution { n_threads, ..Execution::widest() };
            let values = run(&mut CachingEngine::new(part, execution, settings.clone()), &model);
            for (position, (want, got)) in truth.iter().zip(&values).enumerate() {
                check_near(want, got, &format!("result {position} of seed {seed} on {n_threads} threads"));
            }
            for (instruction_set, machine_code) in
                InstructionSet::available().into_iter().flat_map(|set| [(set, false), (set, cfg!(feature = "jit"))])
            {
                let part =
                    Subgraph { graph: self::model(seed).graph, leaves: leaves.clone(), results: results.clone() };
                let execution = Execution { n_threads, instruction_set, machine_code };
                let others = run(&mut CachingEngine::new(part, execution, settings.clone()), &model);
                let is_same = others.iter().zip(&values).all(|(other, value)| bits(other) == bits(value));
                assert!(is_same, "seed {seed} by {instruction_set}, machine code {machine_code}");
            }
        }
    }
    let Found { bands, pairs, in_place, shared, convolutions, gathers } = found;
    let least = [bands, pairs, in_place, shared, convolutions, gathers].into_iter().min();
    assert!(least >= Some(50), "a pass had little to do: {found:?}");
}

/// The bits of each element, with every NaN the same.
fn bits(value: &Value) -> Vec<u64> {
    let array = value.array::<f64>().expect("floats");
    array.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
}

/// Sums of up to 500 numbers in another order: 500 roundings of what is summed at most, times the few steps of a graph.
fn check_near(want: &Value, got: &Value, what: &str) {
    let (want, got) = (want.array::<f64>().expect("floats"), got.array::<f64>().expect("floats"));
    let scale = want.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
    for (want, got) in want.iter().zip(got) {
        assert!((want - got).abs() <= 1e-12 * scale, "{what}: {got}, not {want}");
    }
}
