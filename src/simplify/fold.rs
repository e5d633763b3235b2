//! Constant folding. In: a primitive whose operands are constants. Out: a constant, computed by the reference kernel;
//! only where the result is a splat or has few elements.

use super::{rewriter::Rewriter, term::Term};
use crate::{
    graph::{
        Binary, Bindings, Constant, DType, Dim, Element, Literal, NodeId, Op, Reduce, Reduction, Shape, Type, Value,
    },
    ops::{self, EvaluationContext, RunLimits},
};

/// The largest array that folding makes.
const MAX_ELEMENTS: i64 = 64;
/// The largest array that folding reads.
const MAX_READ: i64 = 4096;

/// An array whose elements are all the same is one literal.
pub(super) fn uniform_constant(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Constant(Constant { value: Literal::Array(value), .. }) = &term.op else { return None };
    Some(rewriter.constant(uniform(value)?, &term.ty))
}

/// A size without symbols is a number.
pub(super) fn dim_size(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::DimSize(size) = &term.op else { return None };
    size.dim.as_number()?;
    let value = evaluate(&term.op, &[], &term.ty)?;
    Some(rewriter.constant(uniform(&value)?, &term.ty))
}

/// A function of literals is the literal of one element, whatever the shape.
pub(super) fn literals(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let scalars: Vec<Value> = term.operands.iter().map(|operand| scalar(rewriter, *operand)).collect::<Option<_>>()?;
    let value = evaluate(&term.op, &scalars, &Type::new(term.ty.dtype, ()))?;
    Some(rewriter.constant(uniform(&value)?, &term.ty))
}

/// Moving elements that are all the same.
pub(super) fn moved_literal(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let first = *term.operands.first()?;
    let literal = rewriter.splat(first)?;
    let are_same = match term.op {
        Op::Pad(_) => rewriter.is_number(first, 0.0),
        Op::Concat(_) => term.operands.iter().all(|part| {
            let (Some(left), Some(right)) = (scalar(rewriter, first), scalar(rewriter, *part)) else { return false };
            is_same_bits(&left, &right)
        }),
        _ => true,
    };
    are_same.then(|| rewriter.constant(literal, &term.ty))
}

/// The extreme of one literal is it; a sum of zeros is 0.
pub(super) fn reduced_literal(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::Reduce(Reduce { kind, axes }) = &term.op else { return None };
    let (x, literal) = (term.operands[0], rewriter.splat(term.operands[0])?);
    if *kind == Reduction::Sum {
        return rewriter.is_number(x, 0.0).then(|| rewriter.constant(literal, &term.ty));
    }
    // The extreme of nothing is an error, so that there is something must be known.
    let shape = rewriter.shape(x);
    let is_something = axes.iter().all(|axis| shape[*axis].as_number().is_some_and(|size| size > 0));
    is_something.then(|| rewriter.constant(literal, &term.ty))
}

/// Small arrays.
pub(super) fn small_constants(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    // A loop may take long: it is run by the compiled engine, with the limits that it has at a run, if it is worth keeping.
    if term.operands.is_empty() || term.op.is_nested() || !is_at_most(&term.ty.shape, MAX_ELEMENTS) {
        return None;
    }
    let values: Vec<Value> = term.operands.iter().map(|operand| array(rewriter, *operand)).collect::<Option<_>>()?;
    let value = evaluate(&term.op, &values, &term.ty)?;
    let literal = uniform(&value).unwrap_or_else(|| Literal::from(value));
    Some(rewriter.constant(literal, &term.ty))
}

/// The powers that are simpler expressions.
pub(super) fn integer_power(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let Op::IntegerPower(power) = &term.op else { return None };
    let x = term.operands[0];
    match power.exponent {
        0 => Some(rewriter.fill(1.0, &term.ty)),
        1 => Some(x),
        2 => Some(rewriter.build(Op::Binary(Binary::Mul), &[x, x])),
        -1 => {
            let one = rewriter.fill(1.0, &term.ty);
            Some(rewriter.build(Op::Binary(Binary::Div), &[one, x]))
        }
        _ => None,
    }
}

fn evaluate(op: &Op, operands: &[Value], ty: &Type) -> Option<Value> {
    let operands: Vec<&Value> = operands.iter().collect();
    // What has no value for these numbers says so when it runs.
    ops::evaluate(
        op,
        &EvaluationContext { operands: &operands, ty, bindings: &Bindings::new(), limits: RunLimits::DEFAULT },
    )
    .ok()
}

/// One element of a splat, as a scalar.
fn scalar(rewriter: &Rewriter<'_>, id: NodeId) -> Option<Value> {
    let (literal, dtype) = (rewriter.splat(id)?, rewriter.ty(id).dtype);
    evaluate(&Constant { value: literal, dtype, shape: Shape::default() }.into(), &[], &Type::new(dtype, ()))
}

/// The value of a constant that is not too large to be read.
fn array(rewriter: &Rewriter<'_>, id: NodeId) -> Option<Value> {
    let node = rewriter.node(id);
    (matches!(node.op, Op::Constant(_)) && is_at_most(&node.ty.shape, MAX_READ))
        .then(|| evaluate(&node.op, &[], &node.ty))?
}

fn is_at_most(shape: &Shape, max: i64) -> bool {
    let size: Dim = shape.size();
    shape.as_numbers().is_some() && size.as_number().is_some_and(|size| size <= max)
}

/// The literal of an array whose elements all have the same bits.
fn uniform(value: &Value) -> Option<Literal> {
    fn one<T: Element>(value: &Value, is_same: impl Fn(&T, &T) -> bool) -> Option<T> {
        let array = value.array::<T>()?;
        let first = array.first()?;
        array.iter().all(|element| is_same(element, first)).then_some(*first)
    }
    match value.dtype() {
        DType::F32 => one(value, |a: &f32, b| a.to_bits() == b.to_bits()).map(|one| Literal::Number(f64::from(one))),
        DType::F64 => one(value, |a: &f64, b| a.to_bits() == b.to_bits()).map(Literal::Number),
        DType::I64 => one(value, |a: &i64, b| a == b).map(Literal::Integer),
        DType::Bool => one(value, |a: &bool, b| a == b).map(|one| Literal::Number(f64::from(u8::from(one)))),
    }
}

fn is_same_bits(left: &Value, right: &Value) -> bool {
    match (uniform(left), uniform(right)) {
        (Some(Literal::Number(left)), Some(Literal::Number(right))) => left.to_bits() == right.to_bits(),
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// A splat that stands for `id` in another shape.
pub(super) fn reshaped_splat(rewriter: &mut Rewriter<'_>, id: NodeId, shape: &Shape) -> Option<NodeId> {
    let (literal, dtype) = (rewriter.splat(id)?, rewriter.ty(id).dtype);
    Some(rewriter.constant(literal, &Type::new(dtype, shape)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_arrays_are_told_by_bits() {
        let uniform_of = |elements: &[f64]| uniform(&Value::from(ndarray::Array1::from(elements.to_vec())));
        assert_eq!(uniform_of(&[2.0, 2.0]), Some(Literal::Number(2.0)));
        assert_eq!(uniform_of(&[0.0, -0.0]), None);
        assert_eq!(uniform_of(&[]), None);
        assert!(uniform_of(&[f64::NAN, f64::NAN]).is_some());
    }
}
