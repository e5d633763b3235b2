//! Batches of operations with bodies: the same operations with batched bodies. In: siblings and their operands, of which some
//! are stacked. Out: what the siblings give, stacked where it differs from example to example.
//!
//! What is not stacked stays so: which carries of a loop are is found by a fixed point. A branch that is chosen for each
//! example becomes a choice between both results, and a loop that ends for each example by itself goes on until the last one
//! ends, while the carries of the others stay.

use super::batch as batch_nodes;
use crate::{
    graph::{
        Body, Call, Conditional, DType, Dim, Expr, Graph, Node, NodeId, Op, Scan, ScanOutput, Type, While,
        WithDerivative, settled,
    },
    ops::{BatchOperand, in_front},
};

/// What the siblings give for each example.
pub(super) fn batch<'g>(
    graph: &'g Graph,
    family: &[NodeId],
    operands: impl AsRef<[BatchOperand<'g>]>,
    size: &Dim,
) -> Vec<BatchOperand<'g>> {
    let members: Vec<Node> = family.iter().map(|id| graph.node(*id).clone()).collect();
    let nodes = family.iter().map(|id| graph.expr(*id)).collect();
    let batch = FamilyBatch { graph, members, nodes, operands: operands.as_ref(), size };
    match &batch.members[0].op {
        Op::Call(call) => batch.call(call),
        Op::Conditional(cond) => batch.branch(cond),
        Op::Scan(scan) => batch.scan(scan),
        Op::While(while_loop) => batch.while_loop(while_loop),
        Op::WithDerivative(value) => batch.with_derivative(value),
        other => unreachable!("invariant: `{}` has a body", other.name()),
    }
}

struct FamilyBatch<'b, 'g> {
    graph: &'g Graph,
    members: Vec<Node>,
    nodes: Vec<Expr<'g>>,
    operands: &'b [BatchOperand<'g>],
    size: &'b Dim,
}

/// A body with each argument twice: for one example and stacked.
struct BatchedBody {
    graph: Graph,
    single: Vec<NodeId>,
    stacked: Vec<NodeId>,
}

impl BatchedBody {
    fn new(body: &Body, node: &Node, size: &Dim) -> BatchedBody {
        let graph = body.thaw();
        let _frame = graph.enter_at("batch", node.provenance.clone());
        let types: Vec<Type> = body.argument_types().map(|ty| Type::new(ty.dtype, in_front(size, &ty.shape))).collect();
        let single = graph.ids().take(body.n_arguments()).collect();
        let stacked = graph.trace(&types).arguments;
        drop(_frame);
        BatchedBody { graph, single, stacked }
    }

    /// Nodes of the body for arguments of which some are stacked.
    fn outputs(&self, numbers: &[usize], is_stacked: &[bool], size: &Dim) -> Vec<BatchOperand<'_>> {
        let outputs: Vec<Expr<'_>> = numbers.iter().map(|number| self.graph.expr(NodeId::new(*number))).collect();
        let pair = |argument: usize| (self.graph.expr(self.single[argument]), self.graph.expr(self.stacked[argument]));
        let stacks: Vec<_> = (0..is_stacked.len()).filter(|argument| is_stacked[*argument]).map(pair).collect();
        batch_nodes(&self.graph, &outputs, &stacks, size)
    }

    /// The arguments of the batched body.
    fn arguments(&self, is_stacked: &[bool]) -> Vec<NodeId> {
        let argument =
            |argument: usize| if is_stacked[argument] { self.stacked[argument] } else { self.single[argument] };
        (0..is_stacked.len()).map(argument).collect()
    }
}

impl<'g> FamilyBatch<'_, 'g> {
    fn are_stacked(&self) -> Vec<bool> {
        self.operands.iter().map(|operand| operand.is_stacked()).collect()
    }

    /// A result of a new node as it is for the examples.
    fn result(&self, is_stacked: bool, expr: Expr<'g>) -> BatchOperand<'g> {
        if is_stacked { BatchOperand::Stacked(expr) } else { BatchOperand::Shared(expr) }
    }

    fn call(&self, call: &Call) -> Vec<BatchOperand<'g>> {
        let numbers: Vec<usize> = (self.members.iter()).map(|member| member.op.output()).collect();
        let is_stacked = self.are_stacked();
        let workshop = BatchedBody::new(&call.body, &self.members[0], self.size);
        let outputs = workshop.outputs(&numbers, &is_stacked, self.size);
        let wanted: Vec<NodeId> = outputs.iter().map(|output| output.expr().id()).collect();
        let (body, numbering) = Body::freeze(&workshop.graph, &workshop.arguments(&is_stacked), &wanted);
        let operands: Vec<Expr<'g>> = self.operands.iter().map(|operand| operand.expr()).collect();
        let result = |output: &BatchOperand<'_>| {
            let number = numbering.number(output.expr().id());
            self.result(output.is_stacked(), self.graph.apply(Call { body: body.clone(), output: number }, &operands))
        };
        outputs.iter().map(result).collect()
    }

    fn branch(&self, cond: &Conditional) -> Vec<BatchOperand<'g>> {
        let outputs: Vec<usize> = (self.members.iter()).map(|member| member.op.output()).collect();
        let is_stacked: Vec<bool> = self.are_stacked().split_off(1);
        if let BatchOperand::Stacked(condition) = self.operands[0] {
            return self.choice(cond, &outputs, condition);
        }
        let workshops =
            [&cond.then_body, &cond.else_body].map(|body| (body, BatchedBody::new(body, &self.members[0], self.size)));
        let found = workshops.each_ref().map(|(body, workshop)| {
            let numbers: Vec<usize> = outputs.iter().map(|output| body.results()[*output]).collect();
            workshop.outputs(&numbers, &is_stacked, self.size)
        });
        let is_stacked_result: Vec<bool> =
            (0..outputs.len()).map(|output| found.iter().any(|found| found[output].is_stacked())).collect();
        let [then_body, else_body] = [0, 1].map(|side| {
            let workshop = &workshops[side].1;
            let _frame = workshop.graph.enter_at("batch", self.members[0].provenance.clone());
            let results: Vec<NodeId> = (found[side].iter().zip(&is_stacked_result))
                .map(|(output, is_stacked)| if *is_stacked { output.repeated(self.size) } else { output.expr() })
                .map(|output| output.id())
                .collect();
            Body::freeze(&workshop.graph, &workshop.arguments(&is_stacked), &results).0
        });
        let operands: Vec<Expr<'g>> = self.operands.iter().map(|operand| operand.expr()).collect();
        let result = |output: usize| {
            let (then_body, else_body) = (then_body.clone(), else_body.clone());
            let expr = self.graph.apply(Conditional { then_body, else_body, output }, &operands);
            self.result(is_stacked_result[output], expr)
        };
        (0..outputs.len()).map(result).collect()
    }

    /// Both branches for all examples, and for each the result of its own.
    fn choice(&self, cond: &Conditional, outputs: &[usize], condition: Expr<'g>) -> Vec<BatchOperand<'g>> {
        let sides = [(&cond.then_body, condition), (&cond.else_body, condition.logical_not())];
        let [then_results, else_results] = sides.map(|(body, is_chosen)| {
            let operands: Vec<NodeId> = self.nodes[0].operands()[1..].iter().map(Expr::id).collect();
            let stand_ins = StandIns::new(is_chosen);
            let given: Vec<NodeId> = (operands.iter().zip(&self.operands[1..]))
                .map(|(id, operand)| if operand.is_stacked() { *id } else { stand_ins.shared(operand.expr()).id() })
                .collect();
            let image = body.inline(self.graph, &given);
            let wanted: Vec<Expr<'g>> =
                outputs.iter().map(|output| self.graph.expr(image[body.results()[*output]])).collect();
            let stacks: Vec<(Expr<'g>, Expr<'g>)> = (operands.iter().zip(&self.operands[1..]))
                .filter(|(_, operand)| operand.is_stacked())
                .map(|(id, operand)| (self.graph.expr(*id), stand_ins.stacked(operand.expr())))
                .collect();
            batch_nodes(self.graph, &wanted, &stacks, self.size)
        });
        let choose = |(one, other): (BatchOperand<'g>, BatchOperand<'g>)| {
            let (one, other) = (one.repeated(self.size), other.repeated(self.size));
            BatchOperand::Stacked(along(condition, one).select(one, other))
        };
        then_results.into_iter().zip(else_results).map(choose).collect()
    }

    fn scan(&self, scan: &Scan) -> Vec<BatchOperand<'g>> {
        let outputs: Vec<ScanOutput> = (self.members.iter()).map(|member| member.op.scan_output()).collect();
        let workshop = BatchedBody::new(&scan.body, &self.members[0], self.size);
        let stacked_nodes: Vec<usize> = outputs.iter().filter_map(|output| output.stacked_node()).collect();
        let numbers: Vec<usize> = scan.body.results().iter().chain(&stacked_nodes).copied().collect();
        let is_stacked = settled(&self.are_stacked(), scan.carries, |is_stacked| scan.body.reached(is_stacked));
        let found = workshop.outputs(&numbers, &is_stacked, self.size);
        let next: Vec<NodeId> = self.next(&workshop, &found[..scan.carries], &is_stacked);
        let observed: Vec<NodeId> = found[scan.carries..].iter().map(|output| output.expr().id()).collect();
        let arguments = workshop.arguments(&is_stacked);
        let (body, numbering) = Body::freeze_with(&workshop.graph, &arguments, &next, &observed);
        let operand = |position: usize| {
            let operand = self.operands[position];
            match operand {
                _ if position < scan.carries && is_stacked[position] => operand.repeated(self.size),
                // The batch comes behind the axis that the loop goes over.
                BatchOperand::Stacked(expr) if scan.is_sliced(position) => expr.move_axis(0, 1),
                operand => operand.expr(),
            }
        };
        let operands: Vec<Expr<'g>> = (0..self.operands.len()).map(operand).collect();
        let mut stacks = found[scan.carries..].iter();
        let result = |output: &ScanOutput| match output {
            ScanOutput::Final(carry) => {
                let output = ScanOutput::Final(*carry);
                let scan = Scan { body: body.clone(), output, ..scan.clone() };
                self.result(is_stacked[*carry], self.graph.apply(scan, &operands))
            }
            ScanOutput::Stacked(_) | ScanOutput::Saved(_) => {
                let stack = stacks.next().expect("invariant: there is one for each stacked node");
                let output = output.with_node(numbering.number(stack.expr().id()));
                let expr = self.graph.apply(Scan { body: body.clone(), output, ..scan.clone() }, &operands);
                let is_stacked = stack.is_stacked();
                self.result(is_stacked, if is_stacked { expr.move_axis(1, 0) } else { expr })
            }
        };
        outputs.iter().map(result).collect()
    }

    /// The values with the derivatives of all examples; values and what the derivative is by are stacked, all or none.
    fn with_derivative(&self, op: &WithDerivative) -> Vec<BatchOperand<'g>> {
        let n_tangents = op.n_tangents(self.operands.len());
        let n_given = op.values + n_tangents;
        let is_stacked: Vec<bool> = (0..op.body.n_arguments())
            .map(|argument| argument < n_given + n_tangents || self.operands[argument - n_tangents].is_stacked())
            .collect();
        let workshop = BatchedBody::new(&op.body, &self.members[0], self.size);
        let found = workshop.outputs(op.body.results(), &is_stacked, self.size);
        let _frame = workshop.graph.enter_at("batch", self.members[0].provenance.clone());
        let results: Vec<NodeId> = found.iter().map(|tangent| tangent.repeated(self.size).id()).collect();
        let (body, _) = Body::freeze(&workshop.graph, &workshop.arguments(&is_stacked), &results);
        let operand = |(position, operand): (usize, &BatchOperand<'g>)| {
            if position < n_given { operand.repeated(self.size) } else { operand.expr() }
        };
        let operands: Vec<Expr<'g>> = self.operands.iter().enumerate().map(operand).collect();
        let result = |member: &Node| {
            let op = WithDerivative { body: body.clone(), values: op.values, output: member.op.output() };
            BatchOperand::Stacked(self.graph.apply(op, &operands))
        };
        self.members.iter().map(result).collect()
    }

    /// The next carries: stacked where the carries are.
    fn next(&self, workshop: &BatchedBody, found: &[BatchOperand<'_>], is_stacked: &[bool]) -> Vec<NodeId> {
        let _frame = workshop.graph.enter_at("batch", self.members[0].provenance.clone());
        let next = found.iter().zip(is_stacked);
        next.map(|(next, is_stacked)| if *is_stacked { next.repeated(self.size) } else { next.expr() }.id()).collect()
    }

    fn while_loop(&self, op: &While) -> Vec<BatchOperand<'g>> {
        let outputs: Vec<usize> = (self.members.iter()).map(|member| member.op.output()).collect();
        let (asked, run) = (
            BatchedBody::new(&op.condition, &self.members[0], self.size),
            BatchedBody::new(&op.body, &self.members[0], self.size),
        );
        // Where each example ends by itself, each has carries of its own.
        let is_stacked = settled(&self.are_stacked(), op.carries, |is_stacked| op.reached_carries(is_stacked));
        let holds = asked.outputs(op.condition.results(), &is_stacked, self.size)[0];
        let found = run.outputs(op.body.results(), &is_stacked, self.size);
        let (condition, body) = if holds.is_stacked() {
            self.guarded(op, (&asked, holds), (&run, &found), &is_stacked)
        } else {
            let next = self.next(&run, &found, &is_stacked);
            let condition = Body::freeze(&asked.graph, &asked.arguments(&is_stacked), &[holds.expr().id()]).0;
            (condition, Body::freeze(&run.graph, &run.arguments(&is_stacked), &next).0)
        };
        let operand = |position: usize| {
            let operand = self.operands[position];
            if is_stacked[position] { operand.repeated(self.size) } else { operand.expr() }
        };
        let operands: Vec<Expr<'g>> = (0..self.operands.len()).map(operand).collect();
        let result = |output: &usize| {
            let (condition, body, carries) = (condition.clone(), body.clone(), op.carries);
            let op = While { condition, body, carries, bound: op.bound, output: *output };
            self.result(is_stacked[*output], self.graph.apply(op, &operands))
        };
        outputs.iter().map(result).collect()
    }

    /// Condition and body of a loop that goes on until it holds for no example; an example for which it does not hold keeps
    /// its carries.
    fn guarded(
        &self,
        op: &While,
        (asked, holds): (&BatchedBody, BatchOperand<'_>),
        (run, found): (&BatchedBody, &[BatchOperand<'_>]),
        is_stacked: &[bool],
    ) -> (Body, Body) {
        let node = &self.members[0];
        let (alone, _) = Body::freeze(&asked.graph, &asked.arguments(is_stacked), &[holds.expr().id()]);
        let _frame = asked.graph.enter_at("batch", node.provenance.clone());
        let any = holds.expr().cast(DType::I64).sum().greater(0i64);
        let (condition, _) = Body::freeze(&asked.graph, &asked.arguments(is_stacked), &[any.id()]);
        let _frame = run.graph.enter_at("batch", node.provenance.clone());
        let arguments = run.arguments(is_stacked);
        let holds = run.graph.expr(alone.inline(&run.graph, &arguments)[alone.results()[0]]);
        let results: Vec<NodeId> = found.iter().map(|found| found.repeated(self.size).id()).collect();
        let (step, _) = Body::freeze(&run.graph, &arguments, &results);
        let stand_ins = StandIns::new(holds);
        let given: Vec<NodeId> = (arguments.iter().zip(is_stacked))
            .map(|(id, is_stacked)| (run.graph.expr(*id), is_stacked))
            .map(|(x, is_stacked)| if *is_stacked { stand_ins.stacked(x) } else { stand_ins.shared(x) }.id())
            .collect();
        let image = step.inline(&run.graph, &given);
        let next: Vec<NodeId> = (0..op.carries)
            .map(|carry| {
                let next = run.graph.expr(image[step.results()[carry]]);
                along(holds, next).select(next, run.graph.expr(arguments[carry])).id()
            })
            .collect();
        (condition, Body::freeze(&run.graph, &arguments, &next).0)
    }
}

/// What a branch is given for the examples that do not take it: the operands of the first example that does.
///
/// It computes something for them that nobody asked for, at operands that it was not written for: 1/x at x = 0. Its result is
/// dropped, but a derivative would be 0 of the result times ∞ on the way, NaN, and add that to what is shared by all.
struct StandIns<'g> {
    is_chosen: Expr<'g>,
    is_first: Expr<'g>,
    is_any: Expr<'g>,
}

impl<'g> StandIns<'g> {
    /// For a truth value for each example.
    fn new(is_chosen: Expr<'g>) -> StandIns<'g> {
        let number = is_chosen.cast(DType::I64);
        let is_first = is_chosen.and(number.cumulative_sum(0).equal(1i64));
        StandIns { is_chosen, is_first, is_any: number.sum().greater(0i64) }
    }

    /// A stacked operand, by whose stand-ins no derivative is taken; of zeros where no example takes the branch.
    fn stacked(&self, xs: Expr<'g>) -> Expr<'g> {
        if xs.dtype() == DType::Bool {
            return xs;
        }
        // Exact: one element and zeros.
        let first = along(self.is_first, xs).select(xs, xs.zeros_like()).sum_over(0);
        let first = if xs.dtype().is_float() { first.stop_gradient() } else { first };
        along(self.is_chosen, xs).select(xs, first.unsqueeze(0).broadcast_to(xs.shape()))
    }

    /// A shared operand: what the branch gives of it has no derivative where no example takes it.
    fn shared(&self, x: Expr<'g>) -> Expr<'g> {
        if !x.dtype().is_float() {
            return x;
        }
        let is_any = (0..x.rank()).fold(self.is_any, |is_any, _| is_any.unsqueeze(0)).broadcast_to(x.shape());
        is_any.select(x, x.stop_gradient())
    }
}

/// A truth value for each example in the shape of an array of one for each.
fn along<'g>(condition: Expr<'g>, like: Expr<'g>) -> Expr<'g> {
    (1..like.rank()).fold(condition, |condition, _| condition.unsqueeze(-1)).broadcast_to(like.shape())
}
