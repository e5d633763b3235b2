//! What a check of gradients found. In: the numbers of `compare.rs` and the suspect of `locate.rs`. Out: a [`GradientReport`], its
//! verdict, and their text.

use std::fmt;

use crate::graph::Site;

/// What the derivatives of a scalar are, beside what differences say. `Display` is a table with the verdict below.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GradientReport {
    /// The scalar at the point.
    pub value: f64,
    /// Where it was written.
    pub site: Site,
    /// The variables, in the order of declaration: inputs, then parameters.
    pub variables: Vec<VariableCheck>,
    /// What follows from them.
    pub verdict: GradientVerdict,
}

impl GradientReport {
    /// Whether every derivative that was compared agrees with its differences. At a kink it need not.
    pub fn is_right(&self) -> bool {
        self.verdict == GradientVerdict::Right
    }
}

/// The worst elements of one variable.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VariableCheck {
    /// The name of the input or parameter.
    pub name: String,
    /// Where it was declared.
    pub site: Site,
    /// How many elements it has.
    pub n_elements: usize,
    /// How many of them were moved one by one; where not all, one more difference is along a random direction of all.
    pub n_checked: usize,
    /// The worst element of the gradient; none without elements.
    pub first: Option<ElementCheck>,
    /// The worst element of the product of the Hessian with a random direction; none where the second order was not asked for.
    pub second: Option<ElementCheck>,
}

/// One derivative beside its central difference.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ElementCheck {
    /// The index along each axis; none for the derivative along a random direction of all elements.
    pub index: Option<Vec<usize>>,
    /// By differences.
    pub numeric: f64,
    /// By reverse mode; at second order by reverse over reverse mode.
    pub reverse: f64,
    /// By forward mode; at second order by forward over reverse mode. A compiled program has none.
    pub forward: Option<f64>,
    /// The greater distance of the two from the difference.
    pub error: f64,
    /// The distance that is allowed.
    pub tolerance: f64,
    /// The step of the difference.
    pub step: f64,
    /// What the numbers say.
    pub agreement: Agreement,
}

/// What a derivative is to its difference, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Agreement {
    /// They are equal, within the tolerance.
    Agrees,
    /// The differences to both sides differ however small the step is, and the derivative lies between them: a kink.
    Kink,
    /// The differences have not settled at the smallest step: the function is rough there, or rounded too coarsely.
    Unsettled,
    /// The derivative, or every difference, is NaN or infinite.
    NotFinite,
    /// They differ.
    Differs,
}

/// What a check of gradients comes to.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum GradientVerdict {
    /// All derivatives agree with their differences.
    Right,
    /// Some do not, which a kink, a NaN or rough differences explain.
    Explained {
        /// The first variable where it is so.
        variable: String,
        /// The order of the derivative.
        order: usize,
        /// What explains it.
        agreement: Agreement,
        /// The operation in which it happens, if one was found.
        operation: Option<SuspectOperation>,
    },
    /// A derivative is wrong.
    Wrong {
        /// The first variable whose derivative is.
        variable: String,
        /// The order of the derivative.
        order: usize,
        /// The first operation whose derivative by itself is not that of its value; none where each is right at the values that
        /// it saw, or for a compiled program.
        operation: Option<SuspectOperation>,
    },
}

/// An operation whose own derivative is not what differences of it alone say.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SuspectOperation {
    /// The operation as the user called it.
    pub call: String,
    /// The primitive, such as `gather`, or the name of an operation of the user's own.
    pub operation: String,
    /// Where it was written.
    pub site: Site,
    /// Which of its operands the derivative is by, counted from 0; none for one that makes NaN or infinity, and where the value of
    /// `with_derivative` moves with what is none of its operands.
    pub operand: Option<usize>,
    /// Of a weighted sum of its values; none for one that makes NaN or infinity.
    pub check: Option<ElementCheck>,
}

impl fmt::Display for ElementCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.index {
            Some(index) => write!(f, "{index:?}: ")?,
            None => f.write_str("along a direction: ")?,
        }
        write!(f, "numeric {:.9e}, reverse {:.9e}", self.numeric, self.reverse)?;
        if let Some(forward) = self.forward {
            write!(f, ", forward {forward:.9e}")?;
        }
        write!(f, ", error {:.1e}, tolerance {:.1e}, step {:.1e}", self.error, self.tolerance, self.step)?;
        write!(f, ", {}", self.agreement)
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Agreement::Agrees => "agrees",
            Agreement::Kink => "at a kink",
            Agreement::Unsettled => "differences do not settle",
            Agreement::NotFinite => "not finite",
            Agreement::Differs => "differs",
        })
    }
}

impl fmt::Display for SuspectOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.call)?;
        if self.call != self.operation {
            write!(f, " (in it `{}`)", self.operation)?;
        }
        write!(f, " at {}", self.site)?;
        self.operand.iter().try_for_each(|operand| write!(f, ", by its operand {operand}"))?;
        self.check.iter().try_for_each(|check| write!(f, " {check}"))
    }
}

impl fmt::Display for GradientVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suspect = match self {
            GradientVerdict::Right => return f.write_str("the gradient is right"),
            GradientVerdict::Explained { variable, order, agreement, operation } => {
                write!(f, "the derivative of order {order} by {variable:?}: {agreement}")?;
                operation
            }
            GradientVerdict::Wrong { variable, order, operation } => {
                write!(f, "the derivative of order {order} by {variable:?} is wrong")?;
                operation
            }
        };
        suspect.iter().try_for_each(|operation| write!(f, "; the first operation that is to blame is {operation}"))
    }
}

impl fmt::Display for GradientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "value {:e}, written at {}", self.value, self.site)?;
        for variable in &self.variables {
            let VariableCheck { name, n_elements, n_checked, site, .. } = variable;
            writeln!(f, "{name:?} (declared at {site}), {n_checked} of {n_elements} elements")?;
            let orders = [("order 1", &variable.first), ("order 2", &variable.second)];
            for (order, check) in orders {
                check.iter().try_for_each(|check| writeln!(f, "  {order} {check}"))?;
            }
        }
        write!(f, "{}", self.verdict)
    }
}
