//! Building: from a call with operands to a node. In: a primitive and handles. Out: the handle of a new node, or of
//! poison beside a recorded error. Literals and broadcasting are settled here, so that primitives see equal types.

use crate::graph::{
    Broadcast, Constant, DType, Dim, Expr, FrameGuard, Graph, GraphError, LayerScope, Literal, Op, Shape, Site, Type,
    each_operation,
};

use super::{leaf::check_sizes, rule::Rule};

/// The right-hand side of an operation: a handle, or a Rust number that takes the dtype and shape of the other side.
pub trait Operand<'g> {
    /// The handle; `other` is the operand on the other side.
    fn into_expr(self, other: Expr<'g>) -> Expr<'g>;
}

impl<'g> Operand<'g> for Expr<'g> {
    fn into_expr(self, _: Expr<'g>) -> Expr<'g> {
        self
    }
}

macro_rules! literal_operand {
    ($($type:ty),*) => {$(
        impl<'g> Operand<'g> for $type {
            fn into_expr(self, other: Expr<'g>) -> Expr<'g> {
                other.filled(f64::from(self))
            }
        }
    )*};
}
literal_operand!(f64, f32, i32, bool);

impl<'g> Operand<'g> for i64 {
    fn into_expr(self, other: Expr<'g>) -> Expr<'g> {
        match other.dtype() {
            DType::I64 if !other.is_poisoned() => other.graph().splat(Literal::Integer(self), other.ty()),
            _ => other.filled(self as f64),
        }
    }
}

impl Graph {
    /// Appends a primitive: infers its type or records the error; silent where an operand is poison.
    pub(crate) fn apply<'g>(&'g self, op: impl Into<Op>, operands: &[Expr<'g>]) -> Expr<'g> {
        if let Some(poison) = self.refuse(operands) {
            return poison;
        }
        let op = op.into();
        let types: smallvec::SmallVec<[Type; 3]> = operands.iter().map(Expr::ty).collect();
        match infer(&op, &types) {
            Ok(ty) => {
                let ids: smallvec::SmallVec<[_; 3]> = operands.iter().map(Expr::id).collect();
                self.expr(self.insert(op, ty, &ids))
            }
            Err(error) => self.report(error, operands),
        }
    }

    /// The poison that stands in place of anything built on these operands: one is poison, or of another graph. A
    /// builder that looks at more than one operand before it applies a primitive asks this first.
    pub(crate) fn refuse<'g>(&'g self, operands: &[Expr<'g>]) -> Option<Expr<'g>> {
        if let Some(poison) = operands.iter().find(|operand| operand.is_poisoned()) {
            return Some(*poison);
        }
        let is_foreign = operands.iter().any(|operand| !std::ptr::eq(operand.graph(), self));
        is_foreign.then(|| self.report(GraphError::ForeignGraph, operands))
    }

    /// Appends a primitive given as data, operands exactly as its shape rule wants them: nothing is broadcast or cast.
    /// For those who make graphs from graphs; everybody else has the methods of [`Expr`].
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, graph::{Op, Unary}};
    /// let g = Graph::new();
    /// let x = g.input("x", (3,));
    /// assert_eq!(g.apply_op(Op::Unary(Unary::Exp), &[x]).ty(), x.ty());
    /// assert!(g.apply_op(Op::Unary(Unary::Exp), &[]).is_poisoned());
    /// ```
    #[track_caller]
    pub fn apply_op<'g>(&'g self, op: Op, operands: &[Expr<'g>]) -> Expr<'g> {
        let _frame = self.enter("apply_op", Site::caller());
        if let Op::Poison(_) = op {
            let (what, expected) = ("the operation", "one that has a value");
            return self.report(GraphError::OutOfRange { what, expected, found: "`poison`".to_string() }, operands);
        }
        match self.taken_name(&op) {
            Some(error) => self.report(error, operands),
            None => self.apply(op, operands),
        }
    }

    /// A constant all of whose elements are one literal.
    pub(crate) fn splat(&self, value: Literal, ty: Type) -> Expr<'_> {
        self.apply(Constant { value, dtype: ty.dtype, shape: ty.shape }, &[])
    }
}

/// The type that a primitive gives for operands of these types.
pub(crate) fn infer(op: &Op, operands: &[Type]) -> Result<Type, GraphError> {
    if let Some((attribute, found)) = op.excess(MAX_ATTRIBUTE) {
        return Err(GraphError::NumberTooLarge { what: attribute, found, max: MAX_ATTRIBUTE });
    }
    let ty = each_operation!(op, rule => rule.infer(operands))?;
    check_sizes(&ty.shape)?;
    match ty.shape.as_numbers() {
        Some(sizes) if crate::graph::has_too_many_elements(&sizes) => Err(GraphError::TooLarge { shape: ty.shape }),
        Some(_) => Ok(ty),
        None => match ty.shape.iter().find(|size| size.exceeds(MAX_ATTRIBUTE)) {
            Some(size) => {
                Err(GraphError::NumberTooLarge { what: "a size", found: size.to_string(), max: MAX_ATTRIBUTE })
            }
            None => Ok(ty),
        },
    }
}

/// The largest size, step or position that an operation takes, and the largest coefficient in one with symbols: no
/// array has more elements. What is computed of a few of them fits `i64`, and where many are multiplied, [`Dim`] stays
/// at the end of its range, which is beyond this.
pub(crate) const MAX_ATTRIBUTE: u64 = 1 << 46;

/// The literal of `dtype` that a number is, if the dtype has it; a float is rounded.
pub(super) fn held(number: f64, dtype: DType) -> Option<Literal> {
    let is_held = match dtype {
        DType::F32 => !number.is_finite() || (number as f32).is_finite(),
        DType::F64 => true,
        DType::I64 => number.fract() == 0.0 && (i64::MIN as f64..-(i64::MIN as f64)).contains(&number),
        DType::Bool => number == 0.0 || number == 1.0,
    };
    let literal = if dtype == DType::I64 { Literal::Integer(number as i64) } else { Literal::Number(number) };
    is_held.then_some(literal)
}

impl<'g> Expr<'g> {
    /// Opens the frame of a call: what is built or mistaken until the guard drops belongs to the caller's line.
    #[track_caller]
    pub(crate) fn enter(&self, operation: &'static str) -> FrameGuard<'g> {
        self.graph().enter(operation, Site::caller())
    }

    /// [`Expr::enter`] for the call of a layer, whose nodes are of its scope.
    #[track_caller]
    pub(crate) fn enter_layer(&self, operation: &'static str, scope: LayerScope) -> FrameGuard<'g> {
        self.graph().enter_layer(operation, Site::caller(), scope)
    }

    /// A constant of this dtype and shape, every element `number`; an error if the dtype cannot hold it.
    pub(crate) fn filled(self, number: f64) -> Expr<'g> {
        if self.is_poisoned() {
            return self;
        }
        let ty = self.ty();
        match held(number, ty.dtype) {
            Some(literal) => self.graph().splat(literal, ty),
            None => self.graph().report(GraphError::Literal { literal: number, dtype: ty.dtype }, &[self]),
        }
    }

    /// Both operands with one shape, or the poison in their place.
    pub(crate) fn broadcast_with(self, other: Expr<'g>) -> Result<(Expr<'g>, Expr<'g>), Expr<'g>> {
        if self.is_poisoned() || other.is_poisoned() || !std::ptr::eq(self.graph(), other.graph()) {
            return Ok((self, other));
        }
        let (left, right) = (self.shape(), other.shape());
        if left == right {
            return Ok((self, other));
        }
        match broadcast_shapes(&left, &right) {
            Some(shape) => {
                let left = self.stretch(&shape);
                // A shape that is too large is one error, not one for each operand.
                Ok((left, if left.is_poisoned() { left } else { other.stretch(&shape) }))
            }
            None => Err(self.graph().report(GraphError::NotBroadcastable { left, right }, &[self, other])),
        }
    }

    /// This value in a shape that it broadcasts to.
    pub(super) fn stretch(self, shape: &Shape) -> Expr<'g> {
        let input_shape = self.shape();
        if input_shape == *shape {
            return self;
        }
        if let Op::Constant(Constant { value: value @ (Literal::Number(_) | Literal::Integer(_)), dtype, .. }) =
            self.op()
        {
            return self.graph().splat(value, Type::new(dtype, shape));
        }
        let added = shape.rank() - input_shape.rank();
        self.graph().apply(Broadcast { axes: (added..shape.rank()).collect(), shape: shape.clone() }, &[self])
    }

    /// Repeats the array so that it has `shape`, as NumPy's `broadcast_to`: axes are aligned at the end, axes of size 1
    /// stretch, missing ones are added in front.
    ///
    /// # Shapes
    /// `[1, n]` or `[n]` → `[m, n]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let row = g.input("row", (3,));
    /// assert_eq!(row.broadcast_to((2, 3)).shape().to_string(), "[2, 3]");
    /// ```
    #[doc(alias = "expand_as")]
    #[track_caller]
    pub fn broadcast_to(self, shape: impl Into<Shape>) -> Expr<'g> {
        let _frame = self.enter("broadcast_to");
        let (shape, input_shape) = (shape.into(), self.shape());
        if self.is_poisoned() {
            return self;
        }
        match broadcast_shapes(&input_shape, &shape) {
            Some(common) if common == shape => self.stretch(&shape),
            _ => self.graph().report(GraphError::NotBroadcastableTo { from: input_shape, to: shape }, &[self]),
        }
    }
}

/// NumPy's rule: aligned at the end, sizes are equal or 1.
pub(crate) fn broadcast_shapes(left: &Shape, right: &Shape) -> Option<Shape> {
    let rank = left.rank().max(right.rank());
    let unit = Dim::from(1);
    let size_of = |shape: &Shape, axis: usize| -> Dim {
        let missing = rank - shape.rank();
        if axis < missing { unit.clone() } else { shape[axis - missing].clone() }
    };
    (0..rank)
        .map(|axis| match (size_of(left, axis), size_of(right, axis)) {
            (left, right) if left == right => Some(left),
            (left, right) if left == unit => Some(right),
            (left, right) if right == unit => Some(left),
            _ => None,
        })
        .collect()
}
