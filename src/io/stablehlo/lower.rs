//! Graphs → lines of StableHLO. In: the nodes of a graph or body whose operands have been written. Out: a tensor for each result. How each
//! primitive is said is decided here and in `spell.rs`, by matches that list them all; `movement.rs`, `reduction.rs`, `product.rs`, `nested.rs`
//! and `random.rs` write them.

use super::{
    compositions as composed,
    error::StableHloError,
    spell::{self, Spelling},
    writer::{Tensor, TensorType, Writer},
};
use crate::graph::{Bindings, DType, Dim, Expr, Graph, Literal, NodeId, Op, Provenance, Type};

/// What a function is written with.
#[derive(Debug)]
pub(super) struct Lowering<'l> {
    pub(super) writer: Writer,
    pub(super) bindings: &'l Bindings,
    /// Whether what is written is part of a composition, whose lines are the user's.
    pub(super) is_composing: bool,
}

/// One node, and what its operands are.
pub(super) struct Application<'a> {
    pub(super) operands: &'a [Tensor],
    pub(super) ty: TensorType,
    pub(super) provenance: &'a Provenance,
}

impl<'l> Lowering<'l> {
    pub(super) fn new(writer: Writer, bindings: &'l Bindings) -> Lowering<'l> {
        Lowering { writer, bindings, is_composing: false }
    }

    /// The nodes that `wanted` need, where some are `given`; gives all that were written, by their position.
    pub(super) fn nodes(
        &mut self,
        graph: &Graph,
        given: Vec<(NodeId, Tensor)>,
        wanted: &[NodeId],
    ) -> Result<Vec<Option<Tensor>>, StableHloError> {
        let mut written: Vec<Option<Tensor>> = vec![None; graph.len()];
        given.into_iter().for_each(|(id, tensor)| written[id.index()] = Some(tensor));
        let ids = graph.ancestors(wanted);
        let families = graph.siblings(ids.iter().copied());
        for id in ids {
            if written[id.index()].is_some() {
                continue;
            }
            let operands: Vec<Tensor> = graph
                .operands(id)
                .iter()
                .map(|operand| written[operand.index()].clone().expect("invariant: operands come before their users"))
                .collect();
            let family = families.led_by(id).map(<[NodeId]>::to_vec).unwrap_or_else(|| vec![id]);
            let outputs = self.family(graph, &family, &operands)?;
            family.iter().zip(outputs).for_each(|(member, tensor)| written[member.index()] = Some(tensor));
        }
        Ok(written)
    }

    /// A node, or the siblings that give the outputs of one operation.
    fn family(&mut self, graph: &Graph, family: &[NodeId], operands: &[Tensor]) -> Result<Vec<Tensor>, StableHloError> {
        let first = graph.node(family[0]).clone();
        let outer = self.writer.site;
        if !self.is_composing {
            self.writer.site = Some(first.provenance.site);
        }
        let types = family.iter().map(|member| self.ty(&graph.node(*member).ty)).collect::<Result<Vec<_>, _>>()?;
        let outputs = if first.op.is_nested() {
            let ops: Vec<Op> = family.iter().map(|member| graph.node(*member).op.clone()).collect();
            self.nested(&ops, operands, &types)?
        } else {
            let application = Application { operands, ty: types[0].clone(), provenance: &first.provenance };
            vec![self.operation(&first.op, &application)?]
        };
        self.writer.site = outer;
        Ok(outputs)
    }

    /// A primitive without bodies.
    #[expect(clippy::too_many_lines, reason = "a table: one row for each primitive")]
    fn operation(&mut self, op: &Op, application: &Application<'_>) -> Result<Tensor, StableHloError> {
        let Application { operands, ty, provenance } = application;
        if ty.is_empty() {
            return Ok(self.writer.number(0.0, ty.clone()));
        }
        let refused = |reason| {
            let Provenance { call, site, .. } = **provenance;
            StableHloError::Operation { call, operation: op.name(), site, reason }
        };
        match op {
            Op::Unary(function) => self.spelled(spell::unary(*function), operands, ty),
            Op::Binary(function) => self.spelled(spell::binary(*function), operands, ty),
            Op::Comparison(comparison) => self.spelled(spell::comparison(*comparison), operands, ty),
            Op::Connective(connective) => self.spelled(spell::connective(*connective), operands, ty),
            Op::Predicate(predicate) => self.spelled(spell::predicate(*predicate), operands, ty),
            Op::IntegerPower(power) => Ok(self.integer_power(&operands[0], power.exponent)),
            Op::Select(_) => Ok(self.writer.plain("stablehlo.select", operands, ty.clone())),
            Op::Cast(_) => Ok(self.cast(&operands[0], ty)),
            Op::StopGradient(_) => Ok(operands[0].clone()),

            Op::Constant(constant) => Ok(self.writer.constant(&constant.value, ty.clone())),
            Op::Iota(iota) => Ok(self.writer.iota(iota.axis, ty.clone())),
            Op::DimSize(size) => {
                let number = self.number(&size.dim)?;
                let is_integer = *ty == ty.of(DType::I64);
                let literal = if is_integer { Literal::Integer(number) } else { Literal::Number(number as f64) };
                Ok(self.writer.constant(&literal, ty.clone()))
            }
            Op::RandomBits(bits) => Ok(self.random_bits(bits.width, operands, ty)),

            Op::Broadcast(broadcast) => Ok(self.writer.broadcast(&operands[0], &broadcast.axes, &ty.sizes)),
            Op::Reshape(_) => Ok(self.writer.reshaped(&operands[0], ty.sizes.clone())),
            Op::Transpose(transpose) => Ok(self.transpose(&operands[0], &transpose.permutation)),
            Op::Slice(slice) => self.slice(slice, &operands[0], ty),
            Op::Pad(pad) => self.pad(pad, &operands[0], ty),
            Op::Concat(concat) => Ok(self.concat(operands, concat.axis, ty)),
            Op::Reverse(reverse) => Ok(self.reverse(&operands[0], &reverse.axes)),
            Op::Gather(gather) => Ok(self.gather(gather, operands, ty)),
            Op::ScatterAdd(scatter) => Ok(self.scatter_add(scatter, operands)),

            Op::Reduce(reduce) => Ok(self.reduce(reduce, &operands[0], ty)),
            Op::Rank(rank) => Ok(self.rank(rank, &operands[0], ty)),
            Op::CumulativeSum(sum) => Ok(self.cumulative_sum(sum, &operands[0])),
            Op::LinearRecurrence(recurrence) => self.composed(operands, |operands| {
                composed::linear_recurrence(operands, recurrence.axis, recurrence.direction)
            }),
            Op::Window(window) => Ok(self.window(window, &operands[0], ty)),
            Op::SearchSorted(search) => {
                self.composed(operands, |operands| composed::search_sorted(operands, search.side))
            }

            Op::DotGeneral(dot) => Ok(self.dot(dot, operands, ty)),
            Op::Convolution(convolution) => self.convolution(convolution, operands, ty),
            Op::Cholesky(_) => Ok(self.cholesky(&operands[0])),
            Op::TriangularSolve(solve) => Ok(self.triangular_solve(solve, operands)),
            Op::Lu(_) => self.composed(operands, composed::lu),
            Op::Solve(solve) => self.composed(operands, |operands| composed::solve(operands, solve.orientation)),
            Op::Fft(fft) => Ok(self.fft(fft, &operands[0], ty)),

            Op::Qr(_) => self.composed(operands, composed::qr),

            Op::Eigh(_) | Op::Eigvalsh(_) | Op::Svd(_) | Op::Svdvals(_) => {
                Err(refused("StableHLO has no such decomposition: compute it before, and feed its factors"))
            }
            Op::Custom(_) => Err(refused("an operation of the user's own is code of this process")),
            Op::Call(_) | Op::Conditional(_) | Op::Scan(_) | Op::While(_) | Op::WithDerivative(_) => {
                unreachable!("invariant: operations with bodies are written by families")
            }
            Op::Poison(_) | Op::IsTraining(_) | Op::Input(_) | Op::Parameter(_) | Op::State(_) | Op::Argument(_) => {
                unreachable!("invariant: a program has no errors and no mode left, and what is fed is given")
            }
        }
    }

    fn spelled(&mut self, spelling: Spelling, operands: &[Tensor], ty: &TensorType) -> Result<Tensor, StableHloError> {
        match spelling {
            Spelling::Word(word) => Ok(self.writer.plain(word, operands, ty.clone())),
            Spelling::Compare(direction) => Ok(self.writer.compare(direction, &operands[0], &operands[1])),
            Spelling::Composed(composition) => self.composed(operands, composition),
            Spelling::Written(write) => Ok(write(&mut self.writer, operands)),
        }
    }

    /// What a function of expressions makes of these operands.
    fn composed(
        &mut self,
        operands: &[Tensor],
        composition: impl for<'g> FnOnce(&[Expr<'g>]) -> Expr<'g>,
    ) -> Result<Tensor, StableHloError> {
        let graph = Graph::new();
        let input = |(position, operand): (usize, &Tensor)| {
            graph.input_of(operand.dtype(), &format!("x{position}"), operand.sizes())
        };
        let inputs: Vec<Expr<'_>> = operands.iter().enumerate().map(input).collect();
        let result = composition(&inputs).id();
        graph.check().expect("invariant: a composition has no mistakes");
        let given = inputs.iter().map(Expr::id).zip(operands.iter().cloned()).collect();
        let is_composing = std::mem::replace(&mut self.is_composing, true);
        let mut written = self.nodes(&graph, given, &[result])?;
        self.is_composing = is_composing;
        Ok(written.swap_remove(result.index()).expect("invariant: what is wanted is written"))
    }

    /// The type in numbers.
    pub(super) fn ty(&self, ty: &Type) -> Result<TensorType, StableHloError> {
        let size =
            |dim: &Dim| usize::try_from(self.number(dim)?).map_err(|_| StableHloError::Size { dim: dim.to_string() });
        Ok(TensorType::new(ty.dtype, ty.shape.iter().map(size).collect::<Result<Vec<usize>, _>>()?))
    }

    /// The number of a dim.
    pub(super) fn number(&self, dim: &Dim) -> Result<i64, StableHloError> {
        dim.evaluate(self.bindings).map_err(|dim| StableHloError::Size { dim: dim.to_string() })
    }

    /// The numbers of dims.
    pub(super) fn numbers(&self, dims: &[Dim]) -> Result<Vec<i64>, StableHloError> {
        dims.iter().map(|dim| self.number(dim)).collect()
    }
}
