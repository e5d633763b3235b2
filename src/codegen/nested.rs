//! Steps with bodies. In: bodies with their plans, and how often they run. Out: calls in place, branches, and loops. What goes round in a
//! loop is a variable for each element where the body needs none in memory, else an array.

use super::{
    error::Refusal,
    index::AffineIndex,
    ir::{ArrayId, ScalarId, Statement, VariableId, View},
    lower::{Home, PlanLowering, leaf_needs_memory},
};
use crate::{
    graph::DType,
    plan::{CarryHome, Control, Nested, NestedArrays, Origin, Plan, ScanControl, Vertex, VertexKind, count},
};

/// Where a value is that changes from iteration to iteration.
#[derive(Debug, Clone)]
enum Carry {
    Variables(Vec<VariableId>),
    Array { array: ArrayId, len: usize },
}

impl PlanLowering<'_, '_> {
    pub(super) fn nested(&mut self, arrays: &NestedArrays, nested: &Nested, origin: &Origin) -> Result<(), Refusal> {
        let operands: Vec<Home> = arrays.operands.iter().map(|operand| self.homes[operand.vertex].clone()).collect();
        match &nested.control {
            Control::Call => {
                let destinations = self.destinations(arrays);
                let results = self.shared.plan(&nested.bodies[0], &operands, &destinations)?;
                self.adopt(arrays, results);
                Ok(())
            }
            Control::Branch => self.branch(arrays, nested, &operands),
            Control::Scan(scan) if scan.segments.is_some() => {
                Err(Refusal::new(origin, "a loop with checkpoints: take `Checkpoints::All` for it"))
            }
            Control::Scan(scan) => self.scan(arrays, &nested.bodies[0], scan, &operands),
            Control::While { n_carries, bound, outputs } => {
                let bodies = [&*nested.bodies[0], &*nested.bodies[1]];
                self.while_loop(arrays, bodies, (*n_carries, *bound, outputs), (&operands, origin))
            }
        }
    }

    fn destinations(&self, arrays: &NestedArrays) -> Vec<Option<View>> {
        arrays.outputs.iter().map(|output| self.homes[*output].memory.clone()).collect()
    }

    /// Where outputs are that a body has computed; those in memory were written there.
    fn adopt(&mut self, arrays: &NestedArrays, results: Vec<Home>) {
        for (output, result) in arrays.outputs.iter().zip(results) {
            self.homes[*output] = Home { memory: self.homes[*output].memory.clone().or(result.memory), ..result };
        }
    }

    fn branch(&mut self, arrays: &NestedArrays, nested: &Nested, operands: &[Home]) -> Result<(), Refusal> {
        let condition = self.first(&operands[0]);
        let destinations = self.destinations(arrays);
        let mut blocks = Vec::with_capacity(2);
        for body in &nested.bodies {
            self.shared.builder.open();
            let done = self.shared.plan(body, &operands[1..], &destinations);
            blocks.push(self.shared.builder.close());
            done?;
        }
        let otherwise = blocks.pop().unwrap_or_default();
        let then = blocks.pop().unwrap_or_default();
        self.shared.builder.push(Statement::If { condition, then, otherwise });
        Ok(())
    }

    /// The one element of a value.
    fn first(&mut self, home: &Home) -> ScalarId {
        self.element(home, 0)
    }

    fn element(&mut self, home: &Home, element: usize) -> ScalarId {
        if let Some(number) = home.number {
            return self.shared.builder.number(number);
        }
        if let Some(scalars) = &home.scalars {
            return scalars[element];
        }
        let view = home.memory.clone().expect("invariant: a value is somewhere");
        self.shared.builder.load(view.array, view.base.offset(element as isize))
    }

    /// A carry that begins with a value, for bodies of which it is an argument.
    fn begin(&mut self, start: &Home, dtype: DType, len: usize, is_in_memory: bool) -> Carry {
        if is_in_memory || len > self.shared.limits.elements {
            let array = self.shared.builder.temporary(dtype, len);
            self.copy(start, &View::whole(array), len);
            return Carry::Array { array, len };
        }
        let starts: Vec<ScalarId> = (0..len).map(|element| self.element(start, element)).collect();
        Carry::Variables(starts.into_iter().map(|start| self.shared.builder.variable(start)).collect())
    }

    /// Writes a value to memory.
    fn copy(&mut self, from: &Home, to: &View, len: usize) {
        match (&from.number, &from.memory, &from.scalars) {
            (Some(number), ..) => {
                let value = self.shared.builder.number(*number);
                self.shared.builder.push(Statement::Fill { to: to.clone(), len, value });
            }
            (None, _, Some(scalars)) => {
                for (element, scalar) in scalars.iter().enumerate() {
                    self.shared.builder.store(to.array, to.base.offset(element as isize), *scalar);
                }
            }
            (None, Some(view), None) if view == to => {}
            (None, Some(view), None) => {
                self.shared.builder.push(Statement::Copy { from: view.clone(), to: to.clone(), len });
            }
            (None, None, None) => unreachable!("invariant: a value is somewhere"),
        }
    }

    /// The carry as it is now.
    fn current(&mut self, carry: &Carry) -> Home {
        match carry {
            Carry::Variables(variables) => {
                Home::scalars(variables.iter().map(|variable| self.shared.builder.read(*variable)).collect())
            }
            Carry::Array { array, .. } => Home::memory(View::whole(*array)),
        }
    }

    /// Where a body is to write the next value of a carry: nowhere, if that is variables.
    fn next_place(&mut self, carry: &Carry, dtype: DType) -> Option<View> {
        match carry {
            Carry::Variables(_) => None,
            Carry::Array { len, .. } => Some(View::whole(self.shared.builder.temporary(dtype, *len))),
        }
    }

    /// Sets carries to their next values, once all of these are there.
    fn advance(&mut self, carries: &[Carry], next: &[Home]) {
        let mut values: Vec<Vec<ScalarId>> = Vec::with_capacity(carries.len());
        for (carry, next) in carries.iter().zip(next) {
            values.push(match carry {
                Carry::Variables(variables) => {
                    (0..variables.len()).map(|element| self.element(next, element)).collect()
                }
                Carry::Array { .. } => Vec::new(),
            });
        }
        for ((carry, next), values) in carries.iter().zip(next).zip(values) {
            match carry {
                Carry::Variables(variables) => {
                    for (variable, value) in variables.iter().zip(values) {
                        self.shared.builder.push(Statement::Assign { variable: *variable, value });
                    }
                }
                Carry::Array { array, len } => self.copy(next, &View::whole(*array), *len),
            }
        }
    }

    fn release(&mut self, views: impl IntoIterator<Item = View>) {
        views.into_iter().for_each(|view| self.shared.builder.free(view.array));
    }

    fn scan(
        &mut self,
        arrays: &NestedArrays,
        body: &Plan,
        scan: &ScanControl,
        operands: &[Home],
    ) -> Result<(), Refusal> {
        let n_carries = scan.homes.len();
        let mut carries = Vec::with_capacity(n_carries);
        for (carry, start) in operands[..n_carries].iter().enumerate() {
            let (dtype, len) = result_of(body, carry);
            let is_in_memory = leaf_needs_memory(body, carry, self.shared.limits);
            carries.push(self.begin(start, dtype, len, is_in_memory));
        }
        let variable = self.shared.builder.loop_variable();
        let position = AffineIndex::variable(variable);
        let mut places: Vec<Option<View>> = Vec::with_capacity(n_carries + scan.stacks.len());
        for (carry, found) in carries.iter().enumerate() {
            places.push(self.next_place(found, result_of(body, carry).0));
        }
        for (stack, output) in scan.stacks.iter().enumerate() {
            let (_, len) = result_of(body, n_carries + stack);
            places.push(output.map(|output| self.slice_of(arrays.outputs[output], &position, len)));
        }
        self.shared.builder.open();
        let done = self.iteration(arrays, (body, scan), (operands, &carries), (&position, &places));
        let block = self.shared.builder.close();
        done?;
        let (range, is_backward) = ((0, scan.length), scan.is_backward);
        self.shared.builder.push(Statement::For { variable, range, is_backward, body: block });
        self.release(places.into_iter().take(n_carries).flatten());
        self.finish(arrays, scan, &carries);
        Ok(())
    }

    /// One iteration of a loop, from the carries as they are to the next ones.
    fn iteration(
        &mut self,
        arrays: &NestedArrays,
        (body, scan): (&Plan, &ScanControl),
        (operands, carries): (&[Home], &[Carry]),
        (position, places): (&AffineIndex, &[Option<View>]),
    ) -> Result<(), Refusal> {
        let n_carries = carries.len();
        let mut leaves: Vec<Home> = Vec::with_capacity(operands.len());
        for (operand, home) in operands.iter().enumerate() {
            leaves.push(match operand.checked_sub(n_carries) {
                None => self.current(&carries[operand]),
                Some(slice) if slice < scan.n_slices => sliced(home, position, leaf_len(body, operand)),
                Some(_) => home.clone(),
            });
        }
        for (carry, home) in scan.homes.iter().enumerate() {
            if let CarryHome::StackOfCurrent(output) = home {
                self.stack(arrays.outputs[*output], position, &leaves[carry], result_of(body, carry).1);
            }
        }
        let results = self.shared.plan(body, &leaves, places)?;
        for (carry, home) in scan.homes.iter().enumerate() {
            if let CarryHome::StackOfNext(output) = home {
                self.stack(arrays.outputs[*output], position, &results[carry], result_of(body, carry).1);
            }
        }
        self.advance(carries, &results[..n_carries]);
        Ok(())
    }

    /// Writes a value into a stack at a position of the loop.
    fn stack(&mut self, stack: usize, position: &AffineIndex, value: &Home, len: usize) {
        let to = self.slice_of(stack, position, len);
        self.copy(value, &to, len);
    }

    /// The outputs of a loop that are carries after it, and those that are equal to others.
    fn finish(&mut self, arrays: &NestedArrays, scan: &ScanControl, carries: &[Carry]) {
        for (carry, output) in scan.finals.iter().enumerate() {
            if let Some(output) = output {
                let home = self.current(&carries[carry]);
                self.give(arrays.outputs[*output], &home);
            }
        }
        for (output, equal) in &scan.copies {
            let home = self.homes[arrays.outputs[*equal]].clone();
            self.give(arrays.outputs[*output], &home);
        }
        for carry in carries {
            if let Carry::Array { array, .. } = carry {
                self.shared.builder.free(*array);
            }
        }
    }

    /// Makes a vertex a value that is elsewhere.
    fn give(&mut self, vertex: usize, value: &Home) {
        let len = count(&self.plan.network.vertices[vertex].sizes);
        let to = self.homes[vertex].memory.clone().expect("invariant: what loops give lies in memory");
        self.copy(value, &to, len);
        self.homes[vertex] = Home { memory: Some(to), scalars: value.scalars.clone(), number: value.number };
    }

    /// The part of a stack at a position of the loop.
    fn slice_of(&self, vertex: usize, position: &AffineIndex, len: usize) -> View {
        let view = self.homes[vertex].memory.clone().expect("invariant: what loops give lies in memory");
        View { array: view.array, base: view.base.plus(position, len as isize) }
    }

    fn while_loop(
        &mut self,
        arrays: &NestedArrays,
        [condition, body]: [&Plan; 2],
        (n_carries, bound, outputs): (usize, usize, &[usize]),
        (operands, origin): (&[Home], &Origin),
    ) -> Result<(), Refusal> {
        let mut carries = Vec::with_capacity(n_carries);
        let mut places = Vec::with_capacity(n_carries);
        for (carry, start) in operands[..n_carries].iter().enumerate() {
            let (dtype, len) = result_of(body, carry);
            let limits = self.shared.limits;
            let is_in_memory = leaf_needs_memory(body, carry, limits) || leaf_needs_memory(condition, carry, limits);
            let found = self.begin(start, dtype, len, is_in_memory);
            places.push(self.next_place(&found, dtype));
            carries.push(found);
        }
        self.shared.builder.open();
        let mut leaves: Vec<Home> = carries.iter().map(|carry| self.current(carry)).collect();
        leaves.extend_from_slice(&operands[n_carries..]);
        let holds = self.shared.plan(condition, &leaves, &[None]);
        let holds = holds.map(|results| self.first(&results[0]));
        let condition = self.shared.builder.close();
        let holds = holds?;
        self.shared.builder.open();
        let mut leaves: Vec<Home> = carries.iter().map(|carry| self.current(carry)).collect();
        leaves.extend_from_slice(&operands[n_carries..]);
        let results = self.shared.plan(body, &leaves, &places);
        if let Ok(results) = &results {
            self.advance(&carries, results);
        }
        let body = self.shared.builder.close();
        results?;
        let line = format!("{} ({})", origin.call, origin.site);
        self.shared.builder.push(Statement::While { bound, condition, holds, body, line });
        self.release(places.into_iter().flatten());
        for (output, carry) in outputs.iter().enumerate() {
            let home = self.current(&carries[*carry]);
            self.give(arrays.outputs[output], &home);
        }
        Ok(())
    }
}

/// The dtype of a result of a body, and how many elements it has.
fn result_of(body: &Plan, result: usize) -> (DType, usize) {
    let def = &body.network.vertices[body.network.results[result]];
    (def.dtype, count(&def.sizes))
}

/// One slice of a value along its first axis.
fn sliced(home: &Home, position: &AffineIndex, len: usize) -> Home {
    let memory = home.memory.as_ref();
    let memory = memory.map(|view| View { array: view.array, base: view.base.plus(position, len as isize) });
    Home { memory, scalars: None, number: home.number }
}

/// The elements of an argument of a body.
fn leaf_len(body: &Plan, leaf: usize) -> usize {
    let is_leaf = |vertex: &&Vertex| matches!(vertex.kind, VertexKind::Leaf(position) if position == leaf);
    body.network.vertices.iter().find(is_leaf).map_or(0, |vertex| count(&vertex.sizes))
}
