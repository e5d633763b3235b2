//! The rule of operations of the user's own. In: what the user's implementation answers. Out: the same where it is what was
//! asked for, else an error that names the operation and says what it should have been.

use std::{
    any::{Any, TypeId},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    CustomError,
    erased::{DynCustomOp, Erased},
};
use crate::{
    graph::{Custom, CustomKind, DType, Dim, Expr, GraphError, Type, Value, ValueView, ValueViewMut},
    ops::{
        BatchOperand, Real, in_front,
        rule::{
            Application, BatchApplication, BatchRule, Batching, Dependence, Domain, EvaluationContext,
            JacobianProducts, LinearMap, Linearization, OpError, Partial, Partials, Rule, Traits,
        },
        sample::Sample,
    },
};

/// The operation behind the attribute of a node.
pub(crate) fn erased(kind: &CustomKind) -> &Erased {
    kind.as_any().downcast_ref().expect("invariant: kinds are made of erased operations alone")
}

impl Rule for Custom {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let output = caught(|| self.operation().output_type(operands)).map_err(|message| self.error(message))?;
        for operand in erased(&self.kind).rows().unwrap_or_default() {
            let rows = operands.get(*operand).and_then(|operand| operand.shape.first());
            if rows.is_none() || rows != output.shape.first() {
                return Err(self.error(format!(
                    "it goes by rows, so operand {operand} must have as many as the output, which is {output}"
                )));
            }
        }
        match erased(&self.kind).overwrites() {
            Some(operand) if operands.get(operand) != Some(&output) => Err(self.error(format!(
                "it overwrites operand {operand}, which must then be of the type of the output, {output}"
            ))),
            _ => Ok(output),
        }
    }

    /// What a user's code does is not known.
    fn traits(&self) -> Traits {
        Traits::FALLIBLE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        match self.operation().linearization() {
            Linearization::Constant => Linearization::Constant,
            Linearization::Partials(_) => Linearization::Partials(self),
            Linearization::Linear(_) => Linearization::Linear(self),
            Linearization::Multilinear(_) => Linearization::Multilinear(self),
            Linearization::Products(_) => Linearization::Products(self),
        }
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Written(self)
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        // What else a user's operation depends on is not known.
        match self.operation().linearization() {
            Linearization::Constant => Dependence::Nothing,
            Linearization::Partials(_) => Dependence::SameIndex,
            Linearization::Linear(_) | Linearization::Multilinear(_) | Linearization::Products(_) => {
                Dependence::everything()
            }
        }
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        if TypeId::of::<R>() != TypeId::of::<f64>() {
            return Err(OpError::DualNumbers);
        }
        let operands: Option<Vec<&Value>> =
            context.operands.iter().map(|operand| (*operand as &dyn Any).downcast_ref::<Value>()).collect();
        let operands = operands.ok_or(OpError::DualNumbers)?;
        let (shape, types) = (context.shape()?, operands.iter().map(|operand| operand.ty()).collect::<Vec<_>>());
        check_types(&self.kind, &types, &Type::new(context.ty.dtype, &*shape))?;
        let overwritten = erased(&self.kind).overwrites();
        let mut output = match overwritten {
            Some(operand) => operands[operand].view().to_value(),
            None => Value::zeros(context.ty.dtype, &shape),
        };
        let views: Vec<ValueView<'_>> = operands
            .iter()
            .enumerate()
            .filter(|(operand, _)| Some(*operand) != overwritten)
            .map(|(_, value)| value.view())
            .collect();
        evaluate_custom(&self.kind, None, &views, output.view_mut())?;
        let mut output: Option<Value> = Some(output);
        let output = (&mut output as &mut dyn Any).downcast_mut::<Option<Value<R>>>();
        Ok(output.and_then(Option::take).expect("invariant: the operands are of these numbers"))
    }

    fn flops(&self, operands: &[Type], output: &Type) -> Dim {
        self.operation().flops(operands, output)
    }

    /// Those of users are theirs: [`check::prove_operation`](crate::check::prove_operation).
    fn samples() -> Vec<Sample> {
        Vec::new()
    }
}

impl Custom {
    fn operation(&self) -> &dyn DynCustomOp {
        erased(&self.kind).operation()
    }

    fn error(&self, message: impl ToString) -> GraphError {
        GraphError::Custom { message: message.to_string() }
    }

    /// An expression that the user's rule gives, or the poison in its place if it is of another graph or type.
    fn checked<'g>(&self, what: &str, found: Expr<'g>, expected: &Type, application: &Application<'g>) -> Expr<'g> {
        let graph = application.output.graph();
        if let Some(poison) = graph.refuse(&[found]) {
            return poison;
        }
        let ty = found.ty();
        if ty == *expected {
            return found;
        }
        graph.report(self.error(format!("{what} must be {expected}, and is {ty}")), &[found])
    }

    /// The linearization was asked twice and is not the same.
    fn changed<'g>(&self, application: &Application<'g>) -> Expr<'g> {
        let error = self.error("its linearization is of another class each time that it is asked");
        application.output.graph().report(error, &[])
    }
}

impl Partials for Custom {
    fn partial<'g>(&self, operand: usize, application: &Application<'g>) -> Partial<'g> {
        let output = application.output.ty();
        let Linearization::Partials(rule) = self.operation().linearization() else {
            return Partial::Factor(self.changed(application));
        };
        let found = application.operands[operand].ty();
        if found != output {
            let error = format!("its derivative is elementwise, so operand {operand} must be {output}, and is {found}");
            return Partial::Factor(application.output.graph().report(self.error(error), &[]));
        }
        let condition = Type::new(DType::Bool, &output.shape);
        let check = |what: &str, expr: Expr<'g>, ty: &Type| self.checked(what, expr, ty, application);
        match rule.partial(operand, application) {
            Partial::Factor(factor) => Partial::Factor(check("a factor of its derivative", factor, &output)),
            Partial::Where(mask) => Partial::Where(check("a mask of its derivative", mask, &condition)),
            Partial::Unless(mask) => Partial::Unless(check("a mask of its derivative", mask, &condition)),
            Partial::Contest { wins, ties } => Partial::Contest {
                wins: check("a mask of its derivative", wins, &condition),
                ties: check("a mask of its derivative", ties, &condition),
            },
            number @ (Partial::Zero | Partial::One | Partial::MinusOne) => number,
        }
    }
}

impl LinearMap for Custom {
    fn transpose<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (Linearization::Linear(rule) | Linearization::Multilinear(rule)) = self.operation().linearization() else {
            return self.changed(application);
        };
        let found = rule.transpose(operand, cotangent, application);
        self.checked("a cotangent", found, &application.operands[operand].ty(), application)
    }
}

impl JacobianProducts for Custom {
    fn vjp<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let Linearization::Products(rule) = self.operation().linearization() else {
            return self.changed(application);
        };
        let found = rule.vjp(operand, cotangent, application);
        self.checked("a cotangent", found, &application.operands[operand].ty(), application)
    }

    fn jvp<'g>(&self, operand: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let Linearization::Products(rule) = self.operation().linearization() else {
            return self.changed(application);
        };
        let found = rule.jvp(operand, tangent, application);
        self.checked("a tangent", found, &application.output.ty(), application)
    }
}

impl BatchRule for Custom {
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        let graph = application.operands[0].expr().graph();
        let Some(found) = self.operation().batch(application) else { return self.looped(application) };
        if let Some(poison) = graph.refuse(&[found]) {
            return poison;
        }
        let output = &application.output;
        let expected = Type::new(output.dtype, in_front(&application.size, &output.shape));
        let ty = found.ty();
        if ty == expected {
            return found;
        }
        graph.report(self.error(format!("its batch must be {expected}, and is {ty}")), &[found])
    }
}

impl Custom {
    /// The operation of one example after the other.
    fn looped<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        let operands = &application.operands;
        let graph = operands[0].expr().graph();
        let stacked: Vec<Expr<'g>> =
            operands.iter().filter(|operand| operand.is_stacked()).map(|operand| operand.expr()).collect();
        let frame = graph.frame();
        graph.map(stacked, |slices: Vec<Expr<'g>>| {
            let _frame = graph.reenter(frame);
            let mut slices = slices.into_iter();
            let operand = |operand: &BatchOperand<'g>| match operand {
                BatchOperand::Shared(expr) => *expr,
                BatchOperand::Stacked(_) => {
                    slices.next().expect("invariant: there is a slice for each stacked operand")
                }
            };
            let operands: Vec<Expr<'g>> = operands.iter().map(operand).collect();
            graph.apply(self.clone(), &operands)
        })
    }
}

/// Asks an operation for its output once more, now that sizes are numbers.
///
/// # Errors
/// If it refuses these sizes, panics, or gives another type than that of the graph.
pub(crate) fn check_types(kind: &CustomKind, operands: &[Type], output: &Type) -> Result<(), OpError> {
    let found = Custom { kind: kind.clone() }.infer(operands);
    let found = found.map_err(|error| OpError::Custom { message: error.to_string() })?;
    if found == *output {
        return Ok(());
    }
    let message = format!("for operands of these sizes it says that it gives {found}, and for symbols {output}");
    Err(OpError::Custom { message })
}

/// Computes the output, or these rows of it.
///
/// # Errors
/// What the user's code returns, or the message with which it panics.
pub(crate) fn evaluate_custom(
    kind: &CustomKind,
    rows: Option<Range<usize>>,
    operands: &[ValueView<'_>],
    output: ValueViewMut<'_>,
) -> Result<(), OpError> {
    let operation = erased(kind).operation();
    let evaluate = || match rows {
        Some(rows) => operation.evaluate_rows(rows, operands, output),
        None => operation.evaluate(operands, output),
    };
    caught(evaluate).map_err(|message| OpError::Custom { message })
}

/// What the user's code gives, its error or its panic. What it leaves half done is the output, of which a failed run promises
/// nothing. Its error is read and dropped here too, since both run code of the user's, and a payload that panics when it is
/// dropped is not dropped again.
pub(crate) fn caught<T>(code: impl FnOnce() -> Result<T, CustomError>) -> Result<T, String> {
    let told = || code().map_err(|error| error.to_string());
    match catch_unwind(AssertUnwindSafe(told)) {
        Ok(given) => given,
        Err(panic) => {
            let message = format!("it panicked: {}", message_of(&*panic));
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(second);
            }
            Err(message)
        }
    }
}

/// What a panic says.
fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
