//! The graph in numbers. In: a graph, its results and a number for each symbol. Out: a [`Network`] of vertices that
//! compute something, each operand with the way it is read. Movements of data are gone: they are strides.

use std::sync::Arc;

use super::contraction::{Groups, Side};
use smallvec::SmallVec;

use crate::{
    graph::{Bindings, Constant, DType, Dim, Literal, Op, Reduction, Type, Value},
    ops::{self, Evaluation, Fault},
    plan::{
        Source,
        ir::{
            Along, Function, Kind, Network, Number, Operand, Origin, PlanError, Reduce, Sizes, Vertex, Window, count,
        },
    },
};

/// The network of a source.
pub(in crate::plan) fn network(source: Source<'_>) -> Result<Network, PlanError> {
    let Source { graph, leaves, results, bindings } = source;
    let ids = graph.ancestors(results);
    let mut builder = Builder { vertices: Vec::with_capacity(ids.len()), bindings };
    let mut leaf_of = vec![None; graph.len()];
    for (position, leaf) in leaves.iter().enumerate() {
        leaf.iter().for_each(|leaf| leaf_of[leaf.index()] = Some(position));
    }
    let mut operand_of: Vec<Option<Operand>> = vec![None; graph.len()];
    for id in ids {
        let operands: SmallVec<[Operand; 3]> = graph
            .operands(id)
            .iter()
            .map(|id| operand_of[id.index()].clone().expect("invariant: operands come before their users"))
            .collect();
        let node = graph.node(id);
        let origin = Origin { operation: node.op.name(), call: node.call, node: id.index(), site: node.site };
        let shapes: SmallVec<[Sizes; 3]> = operands.iter().map(|operand| operand.access.sizes()).collect();
        let shapes: SmallVec<[&[usize]; 3]> = shapes.iter().map(|sizes| &sizes[..]).collect();
        let sizes = ops::check_sizes(&node.op, &shapes, bindings)
            .and_then(|()| node.ty.shape.evaluate(bindings).map_err(Fault::Size))
            .map_err(|fault| PlanError { origin, fault })?;
        let at = At { sizes: sizes.into(), dtype: node.ty.dtype, origin };
        let made = builder.lower(&node.op, leaf_of[id.index()], operands, at);
        operand_of[id.index()] = Some(made.map_err(|fault| PlanError { origin, fault })?);
    }
    let mut computed = Vec::with_capacity(results.len());
    for id in results {
        let operand = operand_of[id.index()].clone().expect("invariant: results are ancestors");
        computed.push(builder.own(operand, &computed));
    }
    Ok(Network { vertices: builder.vertices, results: computed })
}

/// What is known of the node that is lowered.
struct At {
    sizes: Sizes,
    dtype: DType,
    origin: Origin,
}

struct Builder<'b> {
    vertices: Vec<Vertex>,
    bindings: &'b Bindings,
}

impl Builder<'_> {
    fn lower(
        &mut self,
        op: &Op,
        leaf: Option<usize>,
        mut operands: SmallVec<[Operand; 3]>,
        at: At,
    ) -> Result<Operand, Fault> {
        if let Some(leaf) = leaf {
            return Ok(self.push(Kind::Leaf(leaf), operands, at));
        }
        if let Some(function) = Function::of(op) {
            let folded = self.folded(op, &operands, &at)?;
            return Ok(match folded {
                Some(number) => self.push(Kind::Splat(number), SmallVec::new(), at),
                None => self.push(Kind::Map(function), operands, at),
            });
        }
        match op {
            Op::Constant(constant) => Ok(self.constant(constant, at)),
            Op::DimSize(size) => {
                let number = Number::integer(at.dtype, self.number(&size.dim)?);
                Ok(self.push(Kind::Splat(number), operands, at))
            }
            Op::Pad(pad) if pad.interior.iter().all(|zeros| *zeros == 0) => {
                let low = pad.zeros(&pad.low, self.bindings)?;
                if self.is_splat(&operands[0]) {
                    self.straighten(&mut operands[0], at.origin);
                }
                Ok(self.push(Kind::Pad(Window { low }), operands, at))
            }
            Op::Reduce(reduce) => self.reduce(reduce, operands, at),
            Op::DotGeneral(dot) if at.dtype.is_float() => self.contraction(dot, operands, at),
            _ => self.moved(op, operands, at),
        }
    }

    /// A movement of data as strides, where strides can say it; any other primitive as it is.
    fn moved(&mut self, op: &Op, mut operands: SmallVec<[Operand; 3]>, at: At) -> Result<Operand, Fault> {
        let access = |operands: &SmallVec<[Operand; 3]>| operands[0].access.clone();
        let moved = match op {
            Op::StopGradient(_) => access(&operands),
            Op::Transpose(transpose) => access(&operands).transposed(&transpose.permutation),
            Op::Broadcast(broadcast) => access(&operands).broadcast(&broadcast.axes, &at.sizes),
            Op::Reverse(reverse) => access(&operands).reversed(&reverse.axes),
            Op::Slice(slice) => {
                let starts = slice.starts(&operands[0].access.sizes(), self.bindings)?;
                access(&operands).sliced(&starts, &slice.step, &at.sizes)
            }
            Op::Reshape(_) => match access(&operands).reshaped(&at.sizes) {
                Some(reshaped) => reshaped,
                None => return Ok(self.push(Kind::Copy, operands, at)),
            },
            Op::Convolution(_) => {
                for operand in &mut operands {
                    if self.is_splat(operand) {
                        self.straighten(operand, at.origin);
                    }
                }
                return Ok(self.push(Kind::Primitive(op.clone()), operands, at));
            }
            _ => {
                operands.iter_mut().for_each(|operand| self.straighten(operand, at.origin));
                return Ok(self.push(Kind::Primitive(op.clone()), operands, at));
            }
        };
        Ok(Operand { vertex: operands[0].vertex, access: moved })
    }

    /// Puts the elements in row-major order in memory, if they are not.
    fn straighten(&mut self, operand: &mut Operand, origin: Origin) {
        let n_elements = count(&self.vertices[operand.vertex].sizes);
        let is_whole = operand.access.is_contiguous() && operand.access.count() == n_elements;
        if is_whole && !self.is_splat(operand) {
            return;
        }
        let dtype = self.vertices[operand.vertex].dtype;
        let at = At { sizes: operand.access.sizes(), dtype, origin };
        let made = self.push(Kind::Copy, SmallVec::from_iter([operand.clone()]), at);
        *operand = made;
    }

    /// The vertex that computes a result: a copy, if it is held elsewhere or in another order.
    fn own(&mut self, mut operand: Operand, taken: &[usize]) -> usize {
        let vertex = &self.vertices[operand.vertex];
        let origin = vertex.origin;
        self.straighten(&mut operand, origin);
        let is_computed = !matches!(self.vertices[operand.vertex].kind, Kind::Leaf(_) | Kind::Constant(_));
        if is_computed && !taken.contains(&operand.vertex) {
            return operand.vertex;
        }
        let at = At { sizes: operand.access.sizes(), dtype: self.vertices[operand.vertex].dtype, origin };
        self.push(Kind::Copy, SmallVec::from_iter([operand]), at).vertex
    }

    /// The one number that an elementwise function gives, if its operands are numbers too: sizes are known by now.
    fn folded(&self, op: &Op, operands: &[Operand], at: &At) -> Result<Option<Number>, Fault> {
        let mut values: SmallVec<[Value; 3]> = SmallVec::new();
        for operand in operands {
            let Kind::Splat(number) = self.vertices[operand.vertex].kind else { return Ok(None) };
            values.push(number.to_value());
        }
        let operands: SmallVec<[&Value; 3]> = values.iter().collect();
        let ty = Type::new(at.dtype, ());
        let value = ops::evaluate(op, &Evaluation { operands: &operands, ty: &ty, bindings: self.bindings })?;
        Ok(Number::from_value(&value))
    }

    /// Whether the array is one number, which lies nowhere.
    fn is_splat(&self, operand: &Operand) -> bool {
        matches!(self.vertices[operand.vertex].kind, Kind::Splat(_))
    }

    fn constant(&mut self, constant: &Constant, at: At) -> Operand {
        let kind = match &constant.value {
            Literal::Number(number) => Kind::Splat(Number::new(at.dtype, *number)),
            Literal::Integer(integer) => Kind::Splat(Number::integer(at.dtype, *integer)),
            Literal::Array(value) if value.is_row_major() => Kind::Constant(Arc::clone(value)),
            // Whoever builds a literal by hand may lay it out in any order.
            Literal::Array(value) => Kind::Constant(Arc::new(Value::clone(value).into_row_major())),
        };
        self.push(kind, SmallVec::new(), at)
    }

    /// A reduction over any axes: along columns if the first axes go, else along rows, with the axes that go put last.
    fn reduce(
        &mut self,
        reduce: &crate::graph::Reduce,
        mut operands: SmallVec<[Operand; 3]>,
        at: At,
    ) -> Result<Operand, Fault> {
        let operand = &mut operands[0];
        let sizes = operand.access.sizes();
        let empty = reduce.axes.iter().find(|axis| sizes[**axis] == 0).copied();
        let is_extreme = matches!(reduce.kind, Reduction::Max | Reduction::Min);
        // As where sizes are numbers, also if nothing is asked for: the mistake would come with the next batch.
        if let Some(axis) = empty.filter(|_| is_extreme) {
            return Err(Fault::Empty { axis });
        }
        let is_long = |axis: &usize| sizes[*axis] != 1;
        let kept: Sizes = (0..sizes.len()).filter(|axis| !reduce.axes.contains(axis)).collect();
        let first_kept = kept.iter().copied().find(is_long);
        let last_reduced = reduce.axes.iter().copied().rfind(is_long);
        let n_kept = count(&at.sizes);
        let n_reduced: usize = reduce.axes.iter().map(|axis| sizes[*axis]).product();
        let goes_first = first_kept.zip(last_reduced).is_some_and(|(kept, reduced)| reduced < kept);
        let kind = if goes_first {
            Reduce { kind: reduce.kind, along: Along::Columns, rows: n_reduced, columns: n_kept }
        } else {
            let order: Sizes = kept.iter().chain(&reduce.axes).copied().collect();
            operand.access = operand.access.transposed(&order);
            Reduce { kind: reduce.kind, along: Along::Rows, rows: n_kept, columns: n_reduced }
        };
        Ok(self.push(Kind::Reduce(kind), operands, at))
    }

    fn contraction(
        &mut self,
        dot: &crate::graph::DotGeneral,
        mut operands: SmallVec<[Operand; 3]>,
        at: At,
    ) -> Result<Operand, Fault> {
        let groups = Groups::new(dot, [operands[0].access.axes.len(), operands[1].access.axes.len()]);
        groups.order(&mut operands[0].access, Side::Left);
        groups.order(&mut operands[1].access, Side::Right);
        for side in [Side::Left, Side::Right] {
            let operand = &mut operands[side as usize];
            if groups.contracted(&operand.access, side).is_none() || self.is_splat(operand) {
                self.straighten(operand, at.origin);
            }
        }
        let contraction = groups.contraction(&operands[0].access, &operands[1].access);
        Ok(self.push(Kind::Contraction(contraction), operands, at))
    }

    fn number(&self, dim: &Dim) -> Result<i64, Fault> {
        dim.evaluate(self.bindings).map_err(Fault::Size)
    }

    fn push(&mut self, kind: Kind, operands: SmallVec<[Operand; 3]>, at: At) -> Operand {
        let At { sizes, dtype, origin } = at;
        let made = Operand::whole(self.vertices.len(), &sizes);
        self.vertices.push(Vertex { kind, dtype, sizes, operands, origin });
        made
    }
}
