//! Lowers a graph to a network. In: a graph, its results and a number for each symbol. Out: a [`Network`] of vertices
//! with numeric sizes, whose operands are read by strided layouts. Transposes, broadcasts, slices, reversals and most
//! reshapes only change strides and become no vertex.

use std::{collections::HashMap, sync::Arc};

use smallvec::SmallVec;

use super::{
    contraction::{DotAxes, Side},
    nested::{self, BodyPlanner, KnownPlans, NestedGraph, NestedVertex, OperandOf, OutputOf},
    segments::Segmentation,
};

use crate::{
    graph::{Bindings, Constant, DType, Dim, Graph, Iota, Literal, NodeId, Op, Reduction, Shape, Type, Value},
    ops::{self, EvaluationContext, OpError, RunLimits},
    plan::{
        PlanInput, Settings,
        ir::{
            Function, Network, Origin, PadOffset, PlanError, ReduceVertex, ReductionAxis, ScalarValue, Sizes,
            StridedOperand, Vertex, VertexKind, count,
        },
        passes::RematPolicy,
    },
};

/// Lowers the part of a graph that the results need.
pub(in crate::plan) fn network(
    source: PlanInput<'_>,
    policy: RematPolicy,
    settings: &Settings,
    known: &mut KnownPlans,
) -> Result<Network, PlanError> {
    let PlanInput { graph, leaves, results, bindings } = source;
    let ids = graph.ancestors(results);
    let vertices = Vec::with_capacity(ids.len());
    let mut builder = NetworkBuilder { vertices, bindings, of_loops: HashMap::new() };
    let mut leaf_of = vec![None; graph.len()];
    for (position, leaf) in leaves.iter().enumerate() {
        leaf.iter().for_each(|leaf| leaf_of[leaf.index()] = Some(position));
    }
    let mut operand_of: Vec<Option<StridedOperand>> = vec![None; graph.len()];
    let mut bodies = BodyPlanner::new(bindings, settings, known);
    let families = graph.siblings(ids.iter().copied());
    let segmentation = Segmentation::new(graph, (&ids, &families), results, bindings, policy);
    let nested = NestedGraph { graph, families, segmentation, policy };
    for id in ids {
        if let Op::WithDerivative(value) = &graph.node(id).op {
            operand_of[id.index()] = operand_of[graph.operands(id)[value.output].index()].clone();
            continue;
        }
        if graph.node(id).op.is_nested() {
            // The first of siblings takes the others with it.
            if let Some(family) = nested.families.led_by(id) {
                builder.nested(&nested, family, &mut bodies, &mut operand_of)?;
            }
            continue;
        }
        let operands: SmallVec<[StridedOperand; 3]> = graph
            .operands(id)
            .iter()
            .map(|id| operand_of[id.index()].clone().expect("invariant: operands come before their users"))
            .collect();
        let (node, origin) = (graph.node(id), origin(graph, id));
        let shapes: SmallVec<[Sizes; 3]> = operands.iter().map(|operand| operand.layout.sizes()).collect();
        let shapes: SmallVec<[&[usize]; 3]> = shapes.iter().map(|sizes| &sizes[..]).collect();
        let sizes = ops::check_sizes(&node.op, &shapes, bindings)
            .and_then(|()| node.ty.shape.evaluate(bindings).map_err(OpError::Size))
            .map_err(|error| PlanError { origin, error })?;
        let info = VertexInfo { sizes: sizes.into(), dtype: node.ty.dtype, origin };
        let result = builder.lower(&node.op, leaf_of[id.index()], operands, info);
        operand_of[id.index()] = Some(result.map_err(|error| PlanError { origin, error })?);
    }
    let mut computed = Vec::with_capacity(results.len());
    for id in results {
        let operand = operand_of[id.index()].clone().expect("invariant: results are ancestors");
        computed.push(builder.materialize(operand, &computed));
    }
    Ok(Network { vertices: builder.vertices, results: computed })
}

/// How many elements of one channel lie side by side, if the axes that are kept are neighbours with reduced ones on both sides;
/// axes of size 1 do not count.
fn inner_of_channels(sizes: &[usize], reduced: &[usize]) -> Option<usize> {
    let is_reduced = |axis: &usize| reduced.contains(axis);
    let mut axes = (0..sizes.len()).rev().filter(|axis| sizes[*axis] != 1).peekable();
    let mut product_while = |holds: &dyn Fn(&usize) -> bool| {
        std::iter::from_fn(|| axes.next_if(|axis| holds(axis)))
            .map(|axis| sizes[axis])
            .reduce(|left, right| left * right)
    };
    let inner = product_while(&is_reduced)?;
    product_while(&|axis| !is_reduced(axis))?;
    product_while(&is_reduced)?;
    axes.next().is_none().then_some(inner)
}

fn origin(graph: &Graph, id: NodeId) -> Origin {
    let node = graph.node(id);
    Origin { operation: node.op.name(), call: node.provenance.call, node: id.index(), site: node.provenance.site }
}

/// Sizes, dtype and origin of the node that is lowered.
struct VertexInfo {
    sizes: Sizes,
    dtype: DType,
    origin: Origin,
}

struct NetworkBuilder<'b> {
    vertices: Vec<Vertex>,
    bindings: &'b Bindings,
    /// What operations with bodies read and what loops keep at checkpoints, for those that run a loop again.
    of_loops: HashMap<OperandOf, StridedOperand>,
}

impl NetworkBuilder<'_> {
    fn lower(
        &mut self,
        op: &Op,
        leaf: Option<usize>,
        mut operands: SmallVec<[StridedOperand; 3]>,
        info: VertexInfo,
    ) -> Result<StridedOperand, OpError> {
        if let Some(leaf) = leaf {
            return Ok(self.push(VertexKind::Leaf(leaf), operands, info));
        }
        if let Some(function) = Function::from_op(op) {
            let folded = self.folded(op, &operands, &info)?;
            return Ok(match folded {
                Some(number) => self.push(VertexKind::Splat(number), SmallVec::new(), info),
                None => self.push(VertexKind::Map(function), operands, info),
            });
        }
        match op {
            Op::Argument(_) => Err(OpError::EscapedArgument),
            Op::Constant(constant) => Ok(self.constant(constant, info)),
            Op::DimSize(size) => {
                let number = ScalarValue::integer(info.dtype, self.number(&size.dim)?);
                Ok(self.push(VertexKind::Splat(number), operands, info))
            }
            Op::Iota(iota) if info.sizes.len() > 1 && count(&info.sizes) > 0 => Ok(self.positions(iota, info)),
            Op::Pad(pad) if pad.interior.iter().all(|zeros| *zeros == 0) => {
                let low = pad.zeros(&pad.low, self.bindings)?;
                if self.is_splat(&operands[0]) {
                    self.make_contiguous(&mut operands[0], info.origin);
                }
                Ok(self.push(VertexKind::Pad(PadOffset { low }), operands, info))
            }
            Op::Reduce(reduce) => self.reduce(reduce, operands, info),
            Op::DotGeneral(dot) if info.dtype.is_float() => self.contraction(dot, operands, info),
            _ => self.lower_movement(op, operands, info),
        }
    }

    /// The siblings of an operation with bodies, as vertices.
    fn nested(
        &mut self,
        graph: &NestedGraph<'_>,
        family: &[NodeId],
        bodies: &mut BodyPlanner<'_>,
        operand_of: &mut [Option<StridedOperand>],
    ) -> Result<(), PlanError> {
        let (first, source) = (family[0], origin(graph.graph, family[0]));
        for (position, id) in graph.graph.operands(first).iter().enumerate() {
            // Nothing holds what is computed again.
            let Some(mut operand) = operand_of[id.index()].clone() else { continue };
            self.make_contiguous(&mut operand, source);
            self.of_loops.insert(OperandOf::Operation(first, position), operand);
        }
        let NestedVertex { nested, operands, outputs } = bodies.nested(graph, family, source)?;
        let operands: SmallVec<[StridedOperand; 3]> =
            operands.iter().map(|operand| self.of_loops[operand].clone()).collect();
        for (output, kind) in outputs.iter().zip(nested::kinds(nested, outputs.len())) {
            let (id, n_segments) = match output {
                OutputOf::Sibling(id) => (*id, None),
                OutputOf::Checkpoint { carry, n_segments } => (graph.graph.operands(first)[*carry], Some(*n_segments)),
            };
            let ty = graph.graph.node(id).ty.clone();
            let own = if n_segments.is_some() { source } else { origin(graph.graph, id) };
            let sizes = ty.shape.evaluate(self.bindings).map_err(OpError::Size);
            let sizes = sizes.map_err(|error| PlanError { origin: own, error })?;
            let sizes: Sizes = n_segments.into_iter().chain(sizes).collect();
            let vertex = self.push(kind, operands.clone(), VertexInfo { sizes, dtype: ty.dtype, origin: own });
            match output {
                OutputOf::Sibling(id) => operand_of[id.index()] = Some(vertex),
                OutputOf::Checkpoint { carry, .. } => {
                    self.of_loops.insert(OperandOf::Checkpoint(first, *carry), vertex);
                }
            }
        }
        Ok(())
    }

    /// Positions along one of several axes: a row of them, which strides repeat along the others.
    fn positions(&mut self, iota: &Iota, info: VertexInfo) -> StridedOperand {
        let sizes = info.sizes;
        let n = sizes[iota.axis];
        let row = Iota { axis: 0, dtype: iota.dtype, shape: Shape::from([n].as_slice()) };
        let info = VertexInfo { sizes: Sizes::from_slice(&[n]), ..info };
        let mut operand = self.push(VertexKind::Primitive(row.into()), SmallVec::new(), info);
        operand.layout = operand.layout.broadcast(&[iota.axis], &sizes);
        operand
    }

    /// Lowers a movement to strides, or to a copy where strides cannot say it; any other primitive to a vertex of its
    /// own.
    fn lower_movement(
        &mut self,
        op: &Op,
        mut operands: SmallVec<[StridedOperand; 3]>,
        info: VertexInfo,
    ) -> Result<StridedOperand, OpError> {
        let layout = |operands: &SmallVec<[StridedOperand; 3]>| operands[0].layout.clone();
        let moved = match op {
            Op::StopGradient(_) => layout(&operands),
            Op::Transpose(transpose) => layout(&operands).transposed(&transpose.permutation),
            Op::Broadcast(broadcast) => layout(&operands).broadcast(&broadcast.axes, &info.sizes),
            Op::Reverse(reverse) => layout(&operands).reversed(&reverse.axes),
            Op::Slice(slice) => {
                let starts = slice.starts(&operands[0].layout.sizes(), self.bindings)?;
                layout(&operands).sliced(&starts, &slice.step, &info.sizes)
            }
            Op::Reshape(_) => match layout(&operands).reshaped(&info.sizes) {
                Some(reshaped) => reshaped,
                None => return Ok(self.push(VertexKind::Copy, operands, info)),
            },
            Op::Convolution(_) => {
                for operand in &mut operands {
                    if self.is_splat(operand) {
                        self.make_contiguous(operand, info.origin);
                    }
                }
                return Ok(self.push(VertexKind::Primitive(op.clone()), operands, info));
            }
            _ => {
                operands.iter_mut().for_each(|operand| self.make_contiguous(operand, info.origin));
                return Ok(self.push(VertexKind::Primitive(op.clone()), operands, info));
            }
        };
        Ok(StridedOperand { vertex: operands[0].vertex, layout: moved })
    }

    /// Adds a copy of the operand to contiguous memory, unless it is contiguous already.
    fn make_contiguous(&mut self, operand: &mut StridedOperand, origin: Origin) {
        let n_elements = count(&self.vertices[operand.vertex].sizes);
        let is_whole = operand.layout.is_contiguous() && operand.layout.count() == n_elements;
        if is_whole && !self.is_splat(operand) {
            return;
        }
        let dtype = self.vertices[operand.vertex].dtype;
        let info = VertexInfo { sizes: operand.layout.sizes(), dtype, origin };
        let copy = self.push(VertexKind::Copy, SmallVec::from_iter([operand.clone()]), info);
        *operand = copy;
    }

    /// The vertex of a result: a copy, if the value is fed, constant, not contiguous, or another result too.
    fn materialize(&mut self, mut operand: StridedOperand, taken: &[usize]) -> usize {
        let vertex = &self.vertices[operand.vertex];
        let origin = vertex.origin;
        self.make_contiguous(&mut operand, origin);
        let is_computed = !matches!(self.vertices[operand.vertex].kind, VertexKind::Leaf(_) | VertexKind::Constant(_));
        if is_computed && !taken.contains(&operand.vertex) {
            return operand.vertex;
        }
        let info = VertexInfo { sizes: operand.layout.sizes(), dtype: self.vertices[operand.vertex].dtype, origin };
        self.push(VertexKind::Copy, SmallVec::from_iter([operand]), info).vertex
    }

    /// The one number that an elementwise function gives, if its operands are numbers too: sizes are known by now.
    fn folded(&self, op: &Op, operands: &[StridedOperand], info: &VertexInfo) -> Result<Option<ScalarValue>, OpError> {
        let mut values: SmallVec<[Value; 3]> = SmallVec::new();
        for operand in operands {
            let VertexKind::Splat(number) = self.vertices[operand.vertex].kind else { return Ok(None) };
            values.push(number.to_value());
        }
        let operands: SmallVec<[&Value; 3]> = values.iter().collect();
        let ty = Type::new(info.dtype, ());
        let value = ops::evaluate(
            op,
            &EvaluationContext { operands: &operands, ty: &ty, bindings: self.bindings, limits: RunLimits::DEFAULT },
        )?;
        Ok(ScalarValue::from_value(&value))
    }

    /// Whether the array is one number, which lies nowhere.
    fn is_splat(&self, operand: &StridedOperand) -> bool {
        matches!(self.vertices[operand.vertex].kind, VertexKind::Splat(_))
    }

    fn constant(&mut self, constant: &Constant, info: VertexInfo) -> StridedOperand {
        let kind = match &constant.value {
            Literal::Number(number) => VertexKind::Splat(ScalarValue::new(info.dtype, *number)),
            Literal::Integer(integer) => VertexKind::Splat(ScalarValue::integer(info.dtype, *integer)),
            Literal::Array(value) if value.is_row_major() => VertexKind::Constant(Arc::clone(value)),
            // Whoever builds a literal by hand may lay it out in any order.
            Literal::Array(value) => VertexKind::Constant(Arc::new(Value::clone(value).into_row_major())),
        };
        self.push(kind, SmallVec::new(), info)
    }

    /// A reduction over any axes: along columns if the first axes go, of channels if one block of axes in the middle is kept, else
    /// along rows, with the axes that go put last.
    fn reduce(
        &mut self,
        reduce: &crate::graph::Reduce,
        mut operands: SmallVec<[StridedOperand; 3]>,
        info: VertexInfo,
    ) -> Result<StridedOperand, OpError> {
        let operand = &mut operands[0];
        let sizes = operand.layout.sizes();
        let empty = reduce.axes.iter().find(|axis| sizes[**axis] == 0).copied();
        let is_extreme = matches!(reduce.kind, Reduction::Max | Reduction::Min);
        // As where sizes are numbers, also if nothing is asked for: the error would come with the next batch.
        if let Some(axis) = empty.filter(|_| is_extreme) {
            return Err(OpError::Empty { axis });
        }
        let is_long = |axis: &usize| sizes[*axis] != 1;
        let kept: Sizes = (0..sizes.len()).filter(|axis| !reduce.axes.contains(axis)).collect();
        let first_kept = kept.iter().copied().find(is_long);
        let last_reduced = reduce.axes.iter().copied().rfind(is_long);
        let n_kept = count(&info.sizes);
        let n_reduced: usize = reduce.axes.iter().map(|axis| sizes[*axis]).product();
        let goes_first = first_kept.zip(last_reduced).is_some_and(|(kept, reduced)| reduced < kept);
        let order: Sizes = kept.iter().chain(&reduce.axes).copied().collect();
        let in_order = operand.layout.transposed(&order);
        let channels = inner_of_channels(&sizes, &reduce.axes).filter(|_| n_kept > 1 && !in_order.is_contiguous());
        let (along, rows, columns) = if goes_first {
            (ReductionAxis::Columns, n_reduced, n_kept)
        } else if let Some(inner) = channels {
            (ReductionAxis::Channels(n_kept), n_reduced / inner * n_kept, inner)
        } else {
            operand.layout = in_order;
            (ReductionAxis::Rows, n_kept, n_reduced)
        };
        let kind = ReduceVertex { kind: reduce.kind, along, rows, columns };
        Ok(self.push(VertexKind::Reduce(kind), operands, info))
    }

    fn contraction(
        &mut self,
        dot: &crate::graph::DotGeneral,
        mut operands: SmallVec<[StridedOperand; 3]>,
        info: VertexInfo,
    ) -> Result<StridedOperand, OpError> {
        let groups = DotAxes::new(dot, [operands[0].layout.axes.len(), operands[1].layout.axes.len()]);
        groups.order(&mut operands[0].layout, Side::Left);
        groups.order(&mut operands[1].layout, Side::Right);
        for side in [Side::Left, Side::Right] {
            let operand = &mut operands[side as usize];
            if groups.contracted(&operand.layout, side).is_none() || self.is_splat(operand) {
                self.make_contiguous(operand, info.origin);
            }
        }
        let contraction = groups.contraction(&operands[0].layout, &operands[1].layout);
        Ok(self.push(VertexKind::Contraction(contraction), operands, info))
    }

    fn number(&self, dim: &Dim) -> Result<i64, OpError> {
        dim.evaluate(self.bindings).map_err(OpError::Size)
    }

    fn push(&mut self, kind: VertexKind, operands: SmallVec<[StridedOperand; 3]>, info: VertexInfo) -> StridedOperand {
        let VertexInfo { sizes, dtype, origin } = info;
        let operand = StridedOperand::whole(self.vertices.len(), &sizes);
        self.vertices.push(Vertex { kind, dtype, sizes, operands, origin });
        operand
    }
}
