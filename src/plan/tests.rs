//! The check of plans can fail: plans of random graphs with gradients pass it, and each way to break one is found.

mod segments;

use super::{
    Action, Banded, Function, Granularity, Instruction, Location, MachineModel, PAIRS, Pair, Plan, PlanInput, PlanStep,
    Settings, StepKind, Storage, TileProgram, VertexKind,
    ir::MemRef,
    verify::{self, PlanMemoryError},
};
use crate::{
    check::random_graph,
    graph::{Bindings, DType, Expr, Graph, MAX_ITERATIONS, NodeId},
    nn::Correction,
    ops,
};

fn plan_of(graph: &Graph, leaves: &[Option<NodeId>], results: &[NodeId]) -> Plan {
    let bindings = Bindings::new();
    let settings = Settings { model: MachineModel::DEFAULT, memory_budget: None, max_iterations: MAX_ITERATIONS };
    Plan::new(PlanInput { graph, leaves, results, bindings: &bindings }, &settings).expect("all sizes are known")
}

/// The plan of a random graph with its gradients.
fn plan(seed: u64) -> Plan {
    let random = random_graph(seed, 6 + (seed as usize) % 20);
    let g = &random.graph;
    let inputs: Vec<Expr<'_>> = random.inputs.iter().map(|input| g.expr(*input)).collect();
    let loss = g.expr(random.result);
    let results: Vec<NodeId> = g.gradients(loss, &inputs).into_iter().chain([loss]).map(|result| result.id()).collect();
    let leaves: Vec<Option<NodeId>> = random.inputs.iter().copied().map(Some).collect();
    plan_of(g, &leaves, &results)
}

/// A plan of products that are computed band by band, one of them read by a later step too.
fn banded_plan() -> Plan {
    let g = Graph::new();
    let (x, w) = (g.input_of(DType::F64, "x", (800, 96)), g.input_of(DType::F64, "w", (96, 96)));
    let product = x.dot(w).tanh().dot(w);
    let results = [product.tanh().dot(w).relu().dot(w), product.square().dot(w)].map(|result| result.id());
    let plan = plan_of(&g, &[Some(x.id()), Some(w.id())], &results);
    let is_banded = |step: &&PlanStep| matches!(&step.work, StepKind::Tile(program) if program.product.is_some());
    assert_eq!(plan.steps.iter().filter(is_banded).count(), 3, "{plan}");
    plan
}

const SEEDS: std::ops::Range<u64> = 0..16;

/// Calls `corrupt` with each plan, which it gives back as it was, and wants some corruptions to have been tried.
fn with_plans(mut corrupt: impl FnMut(&mut Plan) -> usize) {
    let mut n_tried = 0;
    for (position, mut plan) in SEEDS.map(plan).chain([banded_plan()]).enumerate() {
        assert_eq!(verify::plan(&plan), Ok(()), "plan {position}");
        n_tried += corrupt(&mut plan);
        assert_eq!(verify::plan(&plan), Ok(()), "plan {position}: the corruption was not undone");
    }
    assert!(n_tried >= SEEDS.end as usize / 2, "{n_tried} corruptions were tried");
}

/// The values in the arena that have bytes: vertex, first byte, bytes, the step that writes it, and the last that uses it.
fn buffers(plan: &Plan) -> Vec<Buffer> {
    let mut buffers = Vec::new();
    for (vertex, place) in plan.storage.iter().enumerate() {
        let Storage::Arena(start) = *place else { continue };
        let bytes = plan.network.vertices[vertex].bytes();
        let written = plan.steps.iter().position(|step| step.writes.contains(&vertex));
        let last = plan.steps.iter().rposition(|step| step.reads.contains(&vertex));
        if let (Some(written), Some(last), true) = (written, last, bytes > 0) {
            buffers.push(Buffer { vertex, start, bytes, written, last });
        }
    }
    buffers
}

#[derive(Clone, Copy)]
struct Buffer {
    vertex: usize,
    start: usize,
    bytes: usize,
    written: usize,
    last: usize,
}

#[test]
fn a_value_moved_onto_a_live_one_is_found() {
    with_plans(|plan| {
        let buffers = buffers(plan);
        let mut n_tried = 0;
        for moved in &buffers {
            let lives_with = |other: &&Buffer| {
                other.vertex != moved.vertex && other.written <= moved.last && moved.written <= other.last
            };
            for other in buffers.iter().filter(lives_with) {
                // At its first byte, and across its last, but for one that takes the other's place as planned.
                for start in [other.start, other.start + other.bytes - 1] {
                    if start == moved.start {
                        continue;
                    }
                    plan.arena_bytes += moved.bytes;
                    plan.storage[moved.vertex] = Storage::Arena(start);
                    let found = verify::plan(plan);
                    assert!(
                        matches!(found, Err(PlanMemoryError::NotLive { .. } | PlanMemoryError::Overwritten { .. })),
                        "{found:?}"
                    );
                    plan.storage[moved.vertex] = Storage::Arena(moved.start);
                    plan.arena_bytes -= moved.bytes;
                    n_tried += 1;
                }
            }
        }
        n_tried
    });
}

/// The numbers that a step keeps for itself lie apart from what it reads and writes, and from what lives on.
#[test]
fn partial_results_moved_onto_a_live_value_are_found() {
    let mut n_tried = 0;
    for seed in SEEDS {
        let mut plan = plan(seed);
        for buffer in buffers(&plan) {
            for step in buffer.written..=buffer.last {
                let saved = plan.steps[step].partials;
                // What a body needs is not less because it lies elsewhere.
                let bytes = buffer.bytes.max(saved.1);
                plan.arena_bytes += bytes;
                plan.steps[step].partials = (buffer.start, bytes);
                let found = verify::plan(&plan);
                assert!(
                    matches!(found, Err(PlanMemoryError::NotLive { .. } | PlanMemoryError::Overwritten { .. })),
                    "{found:?}"
                );
                plan.steps[step].partials = saved;
                plan.arena_bytes -= bytes;
                n_tried += 1;
            }
        }
    }
    assert!(n_tried > 100, "{n_tried} corruptions were tried");
}

#[test]
fn an_arena_that_is_too_small_is_found() {
    with_plans(|plan| {
        let ends = buffers(plan).into_iter().map(|buffer| buffer.start + buffer.bytes);
        let partials =
            plan.steps.iter().filter(|step| step.partials.1 > 0).map(|step| step.partials.0 + step.partials.1);
        let Some(end) = ends.chain(partials).max() else { return 0 };
        let saved = std::mem::replace(&mut plan.arena_bytes, end - 1);
        assert!(matches!(verify::plan(plan), Err(PlanMemoryError::Outside { .. })));
        plan.arena_bytes = saved;
        1
    });
}

#[test]
fn a_step_that_is_left_out_is_found() {
    with_plans(|plan| {
        for position in 0..plan.steps.len() {
            let step = plan.steps.remove(position);
            let found = verify::plan(plan);
            assert!(
                matches!(found, Err(PlanMemoryError::NotLive { .. } | PlanMemoryError::Missing { .. })),
                "{found:?}"
            );
            plan.steps.insert(position, step);
        }
        plan.steps.len()
    });
}

#[test]
fn steps_in_the_wrong_order_are_found() {
    with_plans(|plan| {
        let mut n_tried = 0;
        for later in 0..plan.steps.len() {
            for earlier in 0..later {
                let is_read = |vertex: &usize| plan.steps[later].reads.contains(vertex);
                if !plan.steps[earlier].writes.iter().any(is_read) {
                    continue;
                }
                plan.steps.swap(earlier, later);
                assert!(matches!(verify::plan(plan), Err(PlanMemoryError::NotLive { .. })));
                plan.steps.swap(earlier, later);
                n_tried += 1;
            }
        }
        n_tried
    });
}

/// Makes a step read `vertex` in place of the first value of the arena that it reads; gives what that was.
fn redirect(plan: &mut Plan, step: usize, vertex: usize) -> Option<usize> {
    let is_kept = |storage: &[Storage], read: usize| matches!(storage[read], Storage::Arena(_));
    match &mut plan.steps[step].work {
        StepKind::Tile(program) => {
            let computed: Vec<usize> = program.computed().collect();
            let mut reads = program.memory.iter_mut().filter(|memory| !computed.contains(&memory.vertex));
            let memory = reads.find(|memory| is_kept(&plan.storage, memory.vertex))?;
            Some(std::mem::replace(&mut memory.vertex, vertex))
        }
        StepKind::Contraction(arrays, _) | StepKind::Primitive(arrays, _) => {
            let position = arrays.operands.iter().position(|operand| is_kept(&plan.storage, operand.vertex))?;
            plan.network.vertices[arrays.vertex].operands[position].vertex = vertex;
            Some(std::mem::replace(&mut arrays.operands[position].vertex, vertex))
        }
        StepKind::Nested(arrays, _) => {
            let position = arrays.operands.iter().position(|operand| is_kept(&plan.storage, operand.vertex))?;
            plan.network.vertices[arrays.outputs[0]].operands[position].vertex = vertex;
            Some(std::mem::replace(&mut arrays.operands[position].vertex, vertex))
        }
    }
}

#[test]
fn a_value_that_is_read_after_its_memory_was_used_again_is_found() {
    with_plans(|plan| {
        let buffers = buffers(plan);
        let mut n_tried = 0;
        for dead in &buffers {
            let covers = |other: &&Buffer| {
                other.written > dead.last
                    && other.start < dead.start + dead.bytes
                    && dead.start < other.start + other.bytes
            };
            let Some(reused) = buffers.iter().filter(covers).map(|other| other.written).min() else { continue };
            for step in reused + 1..plan.steps.len() {
                let Some(saved) = redirect(plan, step, dead.vertex) else { continue };
                assert_eq!(verify::plan(plan), Err(PlanMemoryError::NotLive { step, vertex: dead.vertex }));
                // What was read last is what is put back: the first that is kept is the same again.
                assert_eq!(redirect(plan, step, saved), Some(dead.vertex));
                n_tried += 1;
            }
        }
        n_tried
    });
}

/// Values may be written only where the plan says that they lie, and each step says all that it writes.
#[test]
fn values_in_the_wrong_kind_of_memory_are_found() {
    with_plans(|plan| {
        let mut n_tried = 0;
        let written: Vec<usize> = plan.steps.iter().flat_map(|step| step.writes.iter().copied()).collect();
        for vertex in written {
            let wrong = [Storage::Nowhere, Storage::Leaf(0), Storage::Constant, Storage::Output(usize::MAX)];
            for place in wrong {
                let saved = std::mem::replace(&mut plan.storage[vertex], place);
                assert!(verify::plan(plan).is_err(), "vertex {vertex} was moved from {saved:?} to {place:?}");
                plan.storage[vertex] = saved;
                n_tried += 1;
            }
        }
        for vertex in 0..plan.storage.len() {
            if matches!(plan.network.vertices[vertex].kind, VertexKind::Leaf(_)) {
                let saved = std::mem::replace(&mut plan.storage[vertex], Storage::Leaf(usize::MAX));
                let is_read = plan.steps.iter().any(|step| step.reads.contains(&vertex));
                assert_eq!(verify::plan(plan).is_err(), is_read);
                plan.storage[vertex] = saved;
            }
        }
        for step in 0..plan.steps.len() {
            let left_out = plan.steps[step].writes.pop().expect("a step writes something");
            assert!(verify::plan(plan).is_err(), "step {step} does not say that it writes {left_out}");
            plan.steps[step].writes.push(left_out);
        }
        n_tried
    });
}

/// Each way to compute other rows of a product than its tiles read, or to read those of other tiles, is found.
#[test]
fn bands_that_are_not_those_of_the_tiles_are_found() {
    let corruptions: [fn(&mut TileProgram); 6] = [
        |program| product(program).rows *= 2,
        |program| product(program).tiles += 1,
        |program| program.tile[0] *= 2,
        |program| product(program).memory.swap(0, 1),
        |program| {
            let held = product(program).memory[2];
            let reads = program.instructions.iter_mut().flat_map(|instruction| &mut instruction.operands);
            reads.filter(|place| **place == Location::Memory(held)).for_each(|place| *place = Location::Element(held));
        },
        |program| {
            let held = product(program).memory[2];
            let is_read = |instruction: &&mut Instruction| instruction.operands.contains(&Location::Memory(held));
            program
                .instructions
                .iter_mut()
                .filter(is_read)
                .for_each(|instruction| instruction.granularity = Granularity::Row);
        },
    ];
    let mut plan = banded_plan();
    for step in 0..plan.steps.len() {
        let StepKind::Tile(tile_program) = &plan.steps[step].work else { continue };
        let Some(vertex) = tile_program.product.as_ref().map(|product| product.vertex) else { continue };
        let tile_program = tile_program.clone();
        for (position, corrupt) in corruptions.iter().enumerate() {
            let mut program = tile_program.clone();
            corrupt(&mut program);
            plan.steps[step].work = StepKind::Tile(program);
            assert_eq!(verify::plan(&plan), Err(PlanMemoryError::WrongBand { step, vertex }), "corruption {position}");
        }
        plan.steps[step].work = StepKind::Tile(tile_program);
    }
    assert_eq!(verify::plan(&plan), Ok(()));
}

fn product(program: &mut TileProgram) -> &mut Banded {
    program.product.as_mut().expect("the program has a product")
}

/// A value that takes the place of another is written last and over all that is read of it at once, or it is found.
#[test]
fn a_value_that_is_written_over_what_is_still_to_be_read_is_found() {
    let corruptions: [fn(&mut TileProgram); 3] = [
        |program| program.instructions.rotate_right(1),
        |program| program.instructions.iter_mut().for_each(|instruction| instruction.granularity = Granularity::Row),
        |program| {
            let n_memory = program.memory.len();
            let reads = program.instructions.iter_mut().flat_map(|instruction| &mut instruction.operands);
            reads
                .filter(|place| matches!(place, Location::Memory(_)))
                .for_each(|place| *place = Location::Memory(n_memory));
            program.memory.extend(program.memory.first().map(|memory| MemRef { offset: 1, ..*memory }));
        },
    ];
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (64, 64));
    let results = [x.cumulative_sum(0).tanh().cumulative_sum(0).id()];
    let mut plan = plan_of(&g, &[Some(x.id())], &results);
    let step = plan.steps.iter().position(|step| matches!(step.work, StepKind::Tile(_))).expect("tanh is fused");
    let StepKind::Tile(tile_program) = &plan.steps[step].work else { unreachable!() };
    let tile_program = tile_program.clone();
    assert_eq!(plan.storage[plan.steps[step].reads[0]], plan.storage[plan.steps[step].writes[0]], "{plan}");
    for (position, corrupt) in corruptions.iter().enumerate() {
        let mut program = tile_program.clone();
        corrupt(&mut program);
        plan.steps[step].work = StepKind::Tile(program);
        assert!(
            matches!(verify::plan(&plan), Err(PlanMemoryError::Overwritten { .. })),
            "corruption {position}: {plan}"
        );
    }
    plan.steps[step].work = StepKind::Tile(tile_program);
    assert_eq!(verify::plan(&plan), Ok(()));
}

#[test]
fn a_plan_is_the_same_text_each_time() {
    for seed in SEEDS {
        assert_eq!(plan(seed).to_string(), plan(seed).to_string());
    }
}

/// What rewrites hold for a function of elements is one for the plan too.
#[test]
fn every_elementwise_primitive_is_a_function_of_fused_steps() {
    for sample in ops::samples() {
        let is_function = Function::from_op(&sample.op).is_some();
        assert_eq!(ops::traits(&sample.op).is_elementwise, is_function, "{}", sample.op.name());
    }
}

/// Statistics of channels are computed in one pass with what is computed before them: batch norm reads its operand once for each mean
/// (the variance has one of its own, before the graph is simplified), once for the squares and once for the result, and writes no
/// other array. Its gradient moves nine arrays in all.
#[test]
fn statistics_of_channels_are_fused_with_what_they_are_of() {
    let g = Graph::new();
    let (x, cotangent) = (g.input("x", (32, 16, 32, 32)), g.input("cotangent", (32, 16, 32, 32)));
    let mean = x.mean_over([0, 2, 3]).reshape((16, 1, 1));
    let variance = x.variance_over([0, 2, 3], Correction::None).reshape((16, 1, 1));
    let y = ((x - mean) * (variance + 1e-5).rsqrt()).relu();
    let bytes_of = |results: &[NodeId]| -> usize {
        let plan = plan_of(&g, &[Some(x.id()), Some(cotangent.id())], results);
        plan.steps.iter().map(|step| step.bytes).sum()
    };
    let array = 4 * 32 * 16 * 32 * 32;
    let forward = bytes_of(&[y.id()]);
    assert!(forward < 5 * array + array / 100, "{} arrays", forward as f64 / array as f64);
    let backward = bytes_of(&[g.gradient((y * cotangent).sum(), x).id()]);
    assert!(backward < 9 * array + array / 100, "{} arrays", backward as f64 / array as f64);
}

/// The plan of a layer between two products, with the gradient, so that value and slope are read in different steps.
fn layer(activation: fn(Expr<'_>) -> Expr<'_>) -> Plan {
    let g = Graph::new();
    let (x, w) = (g.input_of(DType::F32, "x", (16, 24)), g.input_of(DType::F32, "w", (24, 24)));
    let bias = g.input_of(DType::F32, "bias", (24,));
    let loss = activation(x.dot(w) + bias).dot(w).square().sum();
    let results: Vec<NodeId> = g.gradients(loss, &[w, bias]).iter().map(|result| result.id()).collect();
    let leaves = [x, w, bias].map(|leaf| Some(leaf.id()));
    plan_of(&g, &leaves, &results)
}

/// How often a plan computes a pair, and how often one of its functions alone.
fn computed(plan: &Plan, pair: Pair) -> [usize; 2] {
    let programs = plan.steps.iter().filter_map(|step| match &step.work {
        StepKind::Tile(program) => Some(program),
        StepKind::Contraction(..) | StepKind::Primitive(..) | StepKind::Nested(..) => None,
    });
    let actions: Vec<&Action> =
        programs.flat_map(|program| &program.instructions).map(|instruction| &instruction.action).collect();
    let is_alone = |action: &&&Action| matches!(action, Action::Apply(function) if pair.functions.contains(function));
    let n_both = actions.iter().filter(|action| ***action == Action::ApplyBoth(pair)).count();
    [n_both, actions.iter().filter(is_alone).count()]
}

#[test]
fn a_value_and_its_slope_are_computed_together_where_that_saves_more_than_keeping_one() {
    let layers = [layer(|x| x.tanh()), layer(|x| x.sigmoid()), layer(|x| x.sin())];
    for (pair, plan) in PAIRS.into_iter().zip(layers) {
        let kept = pair.saves() > MachineModel::DEFAULT.store_cost;
        assert_eq!(computed(&plan, pair), if kept { [1, 0] } else { [0, 2] }, "{:?}: {plan}", pair.both);
    }
}

#[test]
fn functions_of_one_operand_in_one_step_are_one_instruction() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (1000,));
    for (pair, value) in PAIRS.into_iter().zip([x.tanh(), x.sigmoid(), x.sin()]) {
        let loss = value.square().sum();
        let results = [loss.id(), g.gradients(loss, &[x])[0].id()];
        let plan = plan_of(&g, &[Some(x.id())], &results);
        assert_eq!(computed(&plan, pair), [1, 0], "{:?}: {plan}", pair.both);
    }
}

/// Of gates: the parts of one array, whose functions and slopes are asked for apart.
#[test]
fn functions_of_parts_of_one_array_are_one_instruction_for_each_part() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (50, 60));
    let parts = [0, 20, 40].map(|first| x.slice((.., first..first + 20)));
    let functions: [fn(Expr<'_>) -> Expr<'_>; 3] = [|x| x.tanh(), |x| x.sigmoid(), |x| x.sin()];
    for (pair, function) in PAIRS.into_iter().zip(functions) {
        let values = parts.map(function);
        let slopes = values.iter().zip(parts).map(|(value, part)| g.gradient(value.sum(), part));
        let results: Vec<NodeId> = slopes.chain(values).map(|result| result.id()).collect();
        let plan = plan_of(&g, &[Some(x.id())], &results);
        assert_eq!(computed(&plan, pair), [3, 0], "{:?}: {plan}", pair.both);
    }
}
