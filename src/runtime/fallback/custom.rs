//! Operations of the user's own. In: slices. Out: the output, by the user's code on views of them, rows on several threads if
//! the operation says that it goes by rows.

use std::ops::Range;

use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};
use smallvec::SmallVec;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{Data, DataMut},
    partition::Partition,
};
use crate::{
    graph::{Custom, CustomKind, Type, ValueView, ValueViewMut},
    ops::{OpError, check_types, erased, evaluate_custom, flops},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CustomKernel {
    kind: CustomKind,
    /// The operands that are read, in order.
    operands: Vec<ReadOperand>,
    shape: Vec<usize>,
    overwritten: Option<usize>,
    partition: Partition,
}

#[derive(Debug, Clone, PartialEq)]
struct ReadOperand {
    shape: Vec<usize>,
    /// Whether a part reads its own rows alone.
    is_by_rows: bool,
}

impl CustomKernel {
    pub(super) fn resolve(op: &Custom, place: ResolveContext<'_>) -> Result<CustomKernel, OpError> {
        let types: Vec<Type> = place.operands.iter().map(|(dtype, shape)| Type::new(*dtype, *shape)).collect();
        let (dtype, shape) = place.output;
        let output = Type::new(dtype, shape);
        check_types(&op.kind, &types, &output)?;
        let operation = erased(&op.kind);
        let (rows, overwritten) = (operation.rows(), operation.overwrites());
        let n_elements: usize = shape.iter().product();
        let partition = match (rows, shape.split_first()) {
            (Some(_), Some((n_rows, row))) => {
                let work = flops(&op.clone().into(), &types, &output).as_number().unwrap_or(0);
                let work = usize::try_from(work).unwrap_or(0).max(n_elements) / n_rows.max(&1);
                Partition::new(*n_rows, row.iter().product(), work)
            }
            _ => Partition::new(1, n_elements, n_elements),
        };
        let is_by_rows = |operand: usize| rows.is_some_and(|rows| rows.contains(&operand));
        let operand = |(operand, (_, shape)): (usize, &(_, &[usize]))| {
            (Some(operand) != overwritten)
                .then(|| ReadOperand { shape: shape.to_vec(), is_by_rows: is_by_rows(operand) })
        };
        let operands = place.operands.iter().enumerate().filter_map(operand).collect();
        Ok(CustomKernel { kind: op.kind.clone(), operands, shape: shape.to_vec(), overwritten, partition })
    }

    /// The shape of an array of which a part has some rows.
    fn rows_of(&self, shape: &[usize], units: &Range<usize>) -> IxDyn {
        let mut shape = IxDyn(shape);
        if self.is_cut() {
            shape[0] = units.len();
        }
        shape
    }

    fn is_cut(&self) -> bool {
        erased(&self.kind).rows().is_some() && !self.shape.is_empty()
    }
}

impl FallbackRun for Box<CustomKernel> {
    fn partition(&self) -> Partition {
        self.partition
    }

    fn overwritten(&self) -> Option<usize> {
        self.overwritten
    }

    fn run(&self, KernelPart { units, operands, mut out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        if let (DataMut::Bool(out), None) = (&mut out, self.overwritten) {
            // What lies there need not be truth values, which the user's code may look at.
            out.fill(false);
        }
        let mut views: SmallVec<[ValueView<'_>; 4]> = SmallVec::new();
        for (data, operand) in operands.iter().zip(&self.operands) {
            let shape = if operand.is_by_rows { self.rows_of(&operand.shape, &units) } else { IxDyn(&operand.shape) };
            let row: usize = operand.shape.iter().skip(1).product();
            let range = operand.is_by_rows.then(|| units.start * row..units.end * row);
            views.push(view(data, shape, range));
        }
        let shape = self.rows_of(&self.shape, &units);
        evaluate_custom(&self.kind, self.is_cut().then_some(units), &views, view_mut(out, shape))
    }
}

/// A view of an operand, or of the elements in `range`.
fn view<'a>(data: &Data<'a>, shape: IxDyn, range: Option<Range<usize>>) -> ValueView<'a> {
    fn view<T>(elements: &[T], shape: IxDyn, range: Option<Range<usize>>) -> ArrayViewD<'_, T> {
        let elements = range.map_or(elements, |range| &elements[range]);
        ArrayViewD::from_shape(shape, elements).expect("invariant: a slice has its operand's elements")
    }
    match data {
        Data::F32(elements) => ValueView::F32(view(elements, shape, range)),
        Data::F64(elements) => ValueView::F64(view(elements, shape, range)),
        Data::I64(elements) => ValueView::I64(view(elements, shape, range)),
        Data::Bool(elements) => ValueView::Bool(view(elements, shape, range)),
    }
}

fn view_mut(out: DataMut<'_>, shape: IxDyn) -> ValueViewMut<'_> {
    fn view<T>(elements: &mut [T], shape: IxDyn) -> ArrayViewMutD<'_, T> {
        ArrayViewMutD::from_shape(shape, elements).expect("invariant: a part has the elements of its rows")
    }
    match out {
        DataMut::F32(elements) => ValueViewMut::F32(view(elements, shape)),
        DataMut::F64(elements) => ValueViewMut::F64(view(elements, shape)),
        DataMut::I64(elements) => ValueViewMut::I64(view(elements, shape)),
        DataMut::Bool(elements) => ValueViewMut::Bool(view(elements, shape)),
    }
}
