//! Operations of the user's own. In: an implementation of [`CustomOp`]. Out: a primitive that every stage asks as it asks the
//! others: its type, its derivative, its batch, its value and its cost.

mod erased;
mod rule;
mod tap;

use std::{error::Error, fmt, hash::Hash, ops::Range};

pub(crate) use erased::Erased;
pub(crate) use rule::{caught, check_types, erased, evaluate_custom};

use super::rule::{BatchApplication, Linearization};
use crate::graph::{Custom, CustomKind, Dim, Expr, Graph, GraphError, Op, Site, Type, ValueView, ValueViewMut};

/// Why an operation of the user's own has no type or no value: any error, or a message by `"…".into()`.
pub type CustomError = Box<dyn Error + Send + Sync>;

/// An operation of one's own: what the library asks of its own primitives, asked of a user's type.
///
/// The value of the type is the attributes of the operation, what is known when the graph is built: a sparsity pattern, a
/// degree, a table. Two equal values must compute the same, so that nodes with equal operations and operands are merged; attributes
/// that are floats are compared by their bits. Operands are arrays, and only they have derivatives.
///
/// Such an operation runs inside of compiled programs like any other: in loops and branches, on several threads, batched, under
/// both modes of differentiation to any order. What the simplifier and the planner cannot do is look inside: it is neither
/// rewritten nor fused with what is around it.
/// [`check::prove_operation`](crate::check::prove_operation) proves one at operands of the user's choice.
///
/// # Example
/// x·eˣ, whose derivative is made of the operation itself:
/// ```
/// use ndarray::Zip;
/// use pullback::{
///     DType, Graph, Type, Value, ValueView, ValueViewMut, check,
///     ops::{Application, CustomError, CustomOp, Linearization, Partial, Partials, Smoothness},
/// };
///
/// #[derive(Debug, PartialEq, Eq, Hash)]
/// struct ProductWithExp;
///
/// impl CustomOp for ProductWithExp {
///     const NAME: &'static str = "product_with_exp";
///
///     fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
///         match operands {
///             [x] if x.dtype == DType::F64 => Ok(x.clone()),
///             _ => Err("it takes one f64 array".into()),
///         }
///     }
///
///     fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
///         if let ([ValueView::F64(x)], ValueViewMut::F64(y)) = (operands, output) {
///             Zip::from(y).and(x).for_each(|y, x| *y = x * x.exp());
///         }
///         Ok(())
///     }
///
///     fn linearization(&self) -> Linearization<'_> {
///         Linearization::Partials(self)
///     }
/// }
///
/// impl Partials for ProductWithExp {
///     fn partial<'g>(&self, _: usize, application: &Application<'g>) -> Partial<'g> {
///         let x = application.operands()[0];
///         Partial::Factor(application.output() + x.exp())
///     }
/// }
///
/// check::prove_operation(ProductWithExp, [Value::from([0.3, -1.2, 2.0])], Smoothness::Smooth)?;
///
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", ("n",));
/// let y = g.custom(ProductWithExp, [x]).sum();
/// let mut program = g.compile(g.gradient(y, x))?;
/// assert_eq!(program.call(("x", &[0.0, 0.0]))?["result"], Value::from([1.0, 1.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("CustomCall", "autograd::Function", "custom_vjp", "Callback"))]
pub trait CustomOp: fmt::Debug + Eq + Hash + Send + Sync + 'static {
    /// The name in texts, errors and profiles: a word, and not that of a primitive.
    const NAME: &'static str;

    /// The type of the output for operands of these types; sizes may be symbols. It is asked again, with numbers, before
    /// anything is computed.
    ///
    /// # Errors
    /// Why it takes no such operands. Where the graph is built this becomes a diagnostic at the caller's line.
    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError>;

    /// Computes the output from the operands, views of the types that [`CustomOp::output_type`] was asked and answered, or some
    /// rows of them if it goes by [`CustomOp::rows`]. All
    /// elements of the output must be written; before, they are any.
    ///
    /// It is called from any thread, and the same operands must give the same output. It should allocate nothing if the
    /// program is to allocate nothing in each run.
    ///
    /// # Errors
    /// Why there is no value. This, or a panic, ends the run with an error that names the line of the operation; the program
    /// can be run again.
    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError>;

    /// The derivative, by nodes of the graph: `Linearization::Constant` where there is none.
    fn linearization(&self) -> Linearization<'_>;

    /// The attributes as text, from which [`Registry`](crate::text::Registry) reads them back. Nothing by default, which is
    /// right for a type without fields.
    fn attributes(&self) -> String {
        String::new()
    }

    /// How many operations on floats it takes, for reports and for cutting the work: one for each element of the output by
    /// default.
    fn flops(&self, operands: &[Type], output: &Type) -> Dim {
        let _ = operands;
        output.shape.size()
    }

    /// The operation for each example of a batch at once, or `None` for a loop over the examples, which is the default. Stacked
    /// operands have the batch as one more axis in front, and so must the result.
    ///
    /// An operation that works on the last axes whatever is before them gives itself:
    /// `Some(graph.custom(self.clone(), application.repeated()))`.
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Option<Expr<'g>> {
        let _ = application;
        None
    }

    /// Allows several threads: `Some(operands)` if rows of the output, its slices along the first axis, can be computed by
    /// themselves, and row i depends of these operands on row i alone. Then [`CustomOp::evaluate_rows`] is called for ranges
    /// of rows. The ranges depend on the shapes alone.
    ///
    /// This and [`CustomOp::overwrites`] are asked once, when the operation is put into a graph.
    fn rows(&self) -> Option<&[usize]> {
        None
    }

    /// Computes these rows of the output, if the operation goes by [`CustomOp::rows`]: the output has these rows alone, and so have
    /// the operands that are named there, while the others are whole. By default what [`CustomOp::evaluate`] makes of that, which is
    /// right where the position of a row does not matter, and wrong where it does.
    ///
    /// # Errors
    /// As for [`CustomOp::evaluate`].
    fn evaluate_rows(
        &self,
        rows: Range<usize>,
        operands: &[ValueView<'_>],
        output: ValueViewMut<'_>,
    ) -> Result<(), CustomError> {
        let _ = rows;
        self.evaluate(operands, output)
    }

    /// An operand of the type of the output, whose elements the output has when [`CustomOp::evaluate`] is called; it is left
    /// out of the operands there. Where nothing else needs the operand, its memory becomes that of the output and nothing is
    /// copied.
    fn overwrites(&self) -> Option<usize> {
        None
    }

    /// Whether running it does nothing but compute its value. One that is not pure is not run ahead, when the graph is
    /// compiled; how often it is run is not promised, and it is not run at all where nothing needs its value.
    fn is_pure(&self) -> bool {
        true
    }
}

impl Graph {
    /// An operation of one's own, applied to these operands.
    ///
    /// # Shapes
    /// As [`CustomOp::output_type`] says.
    ///
    /// # Errors
    /// An error is recorded if the operation takes no such operands, or if its name is no word or that of a primitive.
    ///
    /// # Example
    /// [`CustomOp`] has one.
    #[track_caller]
    pub fn custom<'g, O: CustomOp>(&'g self, operation: O, operands: impl AsRef<[Expr<'g>]>) -> Expr<'g> {
        let _frame = self.enter(O::NAME, Site::caller());
        let operands = operands.as_ref();
        if !is_word(O::NAME) {
            return self.report(GraphError::BadName { name: O::NAME.to_owned() }, operands);
        }
        if Op::names().contains(&O::NAME) {
            let (what, expected) = ("the name of an operation", "another than that of a primitive");
            return self.report(GraphError::OutOfRange { what, expected, found: O::NAME.to_owned() }, operands);
        }
        self.apply(kind_of(operation), operands)
    }
}

/// The primitive that an operation of the user's own is.
pub(crate) fn kind_of<O: CustomOp>(operation: O) -> Custom {
    Custom { kind: CustomKind::new(Erased::new(operation)) }
}

/// Whether the text form takes it for a name.
fn is_word(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}
