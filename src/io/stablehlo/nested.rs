//! Calls, branches and loops. In: the siblings that give the outputs of one operation, and their operands. Out: lines of the text, in whose
//! regions are the operations of the bodies; what these capture is read from outside.

use super::{
    error::StableHloError,
    lower::Lowering,
    writer::{Line, Tensor, TensorType, integers},
};
use crate::graph::{Body, Conditional, NodeId, Op, Scan, ScanDirection, ScanOutput, While};

impl Lowering<'_> {
    /// All outputs of an operation with bodies, one for each sibling.
    pub(super) fn nested(
        &mut self,
        siblings: &[Op],
        operands: &[Tensor],
        types: &[TensorType],
    ) -> Result<Vec<Tensor>, StableHloError> {
        match &siblings[0] {
            Op::Call(call) => {
                let wanted: Vec<usize> = siblings.iter().map(Op::output).collect();
                self.body(&call.body, operands, &wanted)
            }
            Op::Conditional(cond) => self.conditional(cond, siblings, operands, types),
            Op::Scan(scan) => self.scan(scan, siblings, operands, types),
            Op::While(while_loop) => {
                let carries = self.while_loop(while_loop, operands)?;
                Ok(siblings.iter().map(|sibling| carries[sibling.output()].clone()).collect())
            }
            Op::WithDerivative(_) => Ok(siblings.iter().map(|sibling| operands[sibling.output()].clone()).collect()),
            other => unreachable!("invariant: `{}` has no body", other.name()),
        }
    }

    /// These nodes of a body, written out for its arguments.
    fn body(&mut self, body: &Body, arguments: &[Tensor], wanted: &[usize]) -> Result<Vec<Tensor>, StableHloError> {
        let graph = body.thaw();
        let given =
            arguments.iter().enumerate().map(|(number, tensor)| (NodeId::new(number), tensor.clone())).collect();
        let ids: Vec<NodeId> = wanted.iter().map(|number| NodeId::new(*number)).collect();
        let written = self.nodes(&graph, given, &ids)?;
        let find = |number: &usize| written[*number].clone().expect("invariant: what is wanted is written");
        Ok(wanted.iter().map(find).collect())
    }

    /// A region without a frame of its own: what `write` says is written by this lowering.
    fn region(
        &mut self,
        arguments: &[TensorType],
        write: impl FnOnce(&mut Self, &[Tensor]) -> Result<Vec<Tensor>, StableHloError>,
    ) -> Result<String, StableHloError> {
        let (bindings, is_composing) = (self.bindings, self.is_composing);
        self.writer.region(arguments, "stablehlo.return", |writer, tensors| {
            let mut inner = Lowering { writer: std::mem::take(writer), bindings, is_composing };
            let results = write(&mut inner, tensors);
            *writer = inner.writer;
            results
        })
    }

    fn conditional(
        &mut self,
        cond: &Conditional,
        siblings: &[Op],
        operands: &[Tensor],
        types: &[TensorType],
    ) -> Result<Vec<Tensor>, StableHloError> {
        let regions = [&cond.then_body, &cond.else_body].map(|body| {
            let wanted: Vec<usize> = siblings.iter().map(|sibling| body.results()[sibling.output()]).collect();
            self.region(&[], |lowering, _| lowering.body(body, &operands[1..], &wanted))
        });
        let [then_region, else_region] = regions;
        let line = Line::new("stablehlo.if", &operands[..1]).regions([then_region?, else_region?]);
        Ok(self.writer.line(line, types.to_vec()))
    }

    /// The carries after the last iteration. How often it goes round is not counted: what is an error of a run here goes on there.
    fn while_loop(&mut self, while_loop: &While, operands: &[Tensor]) -> Result<Vec<Tensor>, StableHloError> {
        let (first, others) = operands.split_at(while_loop.carries);
        let types: Vec<TensorType> = first.iter().map(|carry| carry.ty.clone()).collect();
        let regions = [&while_loop.condition, &while_loop.body].map(|body| {
            self.region(&types, |lowering, carries| lowering.body(body, &[carries, others].concat(), body.results()))
        });
        let [condition, body] = regions;
        let line = Line::new("stablehlo.while", first).regions([condition?, body?]);
        Ok(self.writer.line(line, types))
    }

    /// A loop that counts, whose carries are the position, the loop's own, and what is stacked.
    fn scan(
        &mut self,
        scan: &Scan,
        siblings: &[Op],
        operands: &[Tensor],
        types: &[TensorType],
    ) -> Result<Vec<Tensor>, StableHloError> {
        let length = self.number(&scan.length)?;
        let outputs: Vec<ScanOutput> = siblings.iter().map(Op::scan_output).collect();
        let n_carries = scan.carries;
        let mut first = vec![self.writer.integer(0, [])];
        first.extend(operands[..n_carries].iter().cloned());
        for (output, ty) in outputs.iter().zip(types) {
            if output.stacked_node().is_some() {
                first.push(self.writer.number(0.0, ty.clone()));
            }
        }
        let last = if length == 0 { first } else { self.iterations(scan, (&outputs, length), &first, operands)? };
        let mut stacks = last[1 + n_carries..].iter().cloned();
        let output = |output: &ScanOutput| match output {
            ScanOutput::Final(carry) => last[1 + carry].clone(),
            ScanOutput::Stacked(_) | ScanOutput::Saved(_) => {
                stacks.next().expect("invariant: what is stacked has a carry")
            }
        };
        Ok(outputs.iter().map(output).collect())
    }

    fn iterations(
        &mut self,
        scan: &Scan,
        (outputs, length): (&[ScanOutput], i64),
        first: &[Tensor],
        operands: &[Tensor],
    ) -> Result<Vec<Tensor>, StableHloError> {
        let types: Vec<TensorType> = first.iter().map(|carry| carry.ty.clone()).collect();
        let condition = self.region(&types, |lowering, carries| {
            let length = lowering.writer.integer(length, []);
            Ok(vec![lowering.writer.compare("LT", &carries[0], &length)])
        })?;
        let body = self.region(&types, |lowering, carries| {
            let step = &carries[0];
            let one = lowering.writer.integer(1, []);
            let next = lowering.writer.same("stablehlo.add", &[step.clone(), one]);
            let position = match scan.direction {
                ScanDirection::Forward => step.clone(),
                ScanDirection::Backward => {
                    let last = lowering.writer.integer(length - 1, []);
                    lowering.writer.same("stablehlo.subtract", &[last, step.clone()])
                }
            };
            let mut arguments = carries[1..=scan.carries].to_vec();
            for (operand, tensor) in operands.iter().enumerate().skip(scan.carries) {
                let is_sliced = operand < scan.carries + scan.slices;
                arguments.push(if is_sliced { lowering.taken(tensor, &position) } else { tensor.clone() });
            }
            let stacked: Vec<usize> = outputs.iter().filter_map(|output| output.stacked_node()).collect();
            let wanted = [scan.body.results(), &stacked].concat();
            let values = lowering.body(&scan.body, &arguments, &wanted)?;
            let (new_carries, rows) = values.split_at(scan.carries);
            let mut results = vec![next];
            results.extend(new_carries.iter().cloned());
            for (stack, row) in carries[1 + scan.carries..].iter().zip(rows) {
                results.push(lowering.put(stack, row, &position));
            }
            Ok(results)
        })?;
        Ok(self.writer.line(Line::new("stablehlo.while", first).regions([condition, body]), types))
    }

    /// The slice of an array at a position of its first axis.
    fn taken(&mut self, array: &Tensor, position: &Tensor) -> Tensor {
        let row = array.sizes()[1..].to_vec();
        if row.contains(&0) {
            return self.writer.number(0.0, array.ty.with_sizes(row));
        }
        let sizes: Vec<usize> = std::iter::once(1).chain(row.iter().copied()).collect();
        let operands = self.indexed(array, position, None);
        let line =
            Line::new("stablehlo.dynamic_slice", &operands).attributes(format!("slice_sizes = {}", integers(&sizes)));
        let slice = self.writer.one(line, array.ty.with_sizes(sizes));
        self.writer.reshaped(&slice, row)
    }

    /// The array with a row in the place of the one at a position.
    fn put(&mut self, array: &Tensor, row: &Tensor, position: &Tensor) -> Tensor {
        if array.ty.is_empty() {
            return array.clone();
        }
        let sizes: Vec<usize> = std::iter::once(1).chain(row.sizes().iter().copied()).collect();
        let row = self.writer.reshaped(row, sizes);
        let operands = self.indexed(array, position, Some(row));
        self.writer.plain("stablehlo.dynamic_update_slice", &operands, array.ty.clone())
    }

    /// An array, what goes into it, and where: at a position of the first axis, from the start of the others.
    fn indexed(&mut self, array: &Tensor, position: &Tensor, update: Option<Tensor>) -> Vec<Tensor> {
        let zero = self.writer.integer(0, []);
        let mut operands = vec![array.clone()];
        operands.extend(update);
        operands.push(position.clone());
        operands.extend(std::iter::repeat_n(zero, array.rank() - 1));
        operands
    }
}
