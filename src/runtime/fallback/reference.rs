//! The reference kernel of a primitive's rule, for primitives without a kernel of their own. In: arrays. Out: the
//! output, in one part. It copies the operands and allocates at each run.

use ndarray::{ArrayD, IxDyn};

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{Data, each_dtype},
    partition::Partition,
};
use crate::{
    graph::{Bindings, Op, Type, Value},
    ops::{self, EvaluationContext, OpError, RunLimits},
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    op: Op,
    /// The shape of each operand.
    operands: Vec<Vec<usize>>,
    ty: Type,
    bindings: Bindings,
}

impl Reference {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> Box<Reference> {
        let (dtype, shape) = place.output;
        Box::new(Reference {
            op: op.clone(),
            operands: place.operands.iter().map(|(_, shape)| shape.to_vec()).collect(),
            ty: Type::new(dtype, shape),
            bindings: place.bindings.clone(),
        })
    }
}

impl FallbackRun for Box<Reference> {
    fn partition(&self) -> Partition {
        let n_elements = self.ty.shape.as_numbers().expect("invariant: shapes of a plan are numbers").iter().product();
        Partition::new(1, n_elements, n_elements)
    }

    fn run(&self, KernelPart { operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        let values: Vec<Value> = operands.iter().zip(&self.operands).map(|(data, shape)| value(data, shape)).collect();
        let operands: Vec<&Value> = values.iter().collect();
        let evaluation = EvaluationContext {
            operands: &operands,
            ty: &self.ty,
            bindings: &self.bindings,
            limits: RunLimits::DEFAULT,
        };
        let result = ops::evaluate(&self.op, &evaluation)?;
        each_dtype!(out, out => {
            let array = result.array().expect("invariant: a value is of the type that its rule gives");
            assert_eq!(array.len(), out.len(), "invariant: a value has the shape that its rule gives");
            out.iter_mut().zip(array).for_each(|(out, element)| *out = *element);
        });
        Ok(())
    }
}

fn value(data: &Data<'_>, shape: &[usize]) -> Value {
    fn array<T: Clone>(elements: &[T], shape: &[usize]) -> ArrayD<T> {
        ArrayD::from_shape_vec(IxDyn(shape), elements.to_vec()).expect("invariant: a slice has its operand's elements")
    }
    match data {
        Data::F32(elements) => Value::F32(array(elements, shape)),
        Data::F64(elements) => Value::F64(array(elements, shape)),
        Data::I64(elements) => Value::I64(array(elements, shape)),
        Data::Bool(elements) => Value::Bool(array(elements, shape)),
    }
}
