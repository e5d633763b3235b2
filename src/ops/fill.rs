//! Arrays that are known beforehand: all of one number, ones on a diagonal, and arrays of data in a dtype that is known
//! at run time. In: numbers and shapes. Out: constants.

use ndarray::{ArrayD, IxDyn};

use super::apply::{Operand, held};
use crate::graph::{Cast, DType, Dim, Element, Expr, Graph, GraphError, Literal, Shape, Site, Type, Value};

impl Graph {
    /// An array of which every element is `value`, of the value's type.
    ///
    /// # Shapes
    /// Any, with symbols too: nothing is stored but the number.
    ///
    /// # Errors
    /// An error is recorded if a size is negative or the array too large.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// assert_eq!(g.full(0.5f32, ("batch", 3)).ty().to_string(), "f32[batch, 3]");
    /// assert_eq!(g.full(true, (2,)).ty().to_string(), "bool[2]");
    /// ```
    #[doc(alias = "fill")]
    #[doc(alias = "zeros")]
    #[doc(alias = "ones")]
    #[track_caller]
    pub fn full<T: Element>(&self, value: T, shape: impl Into<Shape>) -> Expr<'_> {
        let _frame = self.enter("full", Site::caller());
        let scalar = IxDyn(&[]);
        let literal = match T::wrap(ArrayD::from_elem(scalar.clone(), value)) {
            Value::F32(one) => Literal::Number(f64::from(one[scalar])),
            Value::F64(one) => Literal::Number(one[scalar]),
            Value::I64(one) => Literal::Integer(one[scalar]),
            Value::Bool(one) => Literal::Number(f64::from(one[scalar])),
        };
        self.splat(literal, Type::new(T::DTYPE, shape))
    }

    /// The identity matrix: 1 where row and column are the same, 0 elsewhere; of `bool`, true and false.
    ///
    /// # Shapes
    /// `[n, n]`, n a number or a symbol.
    ///
    /// # Errors
    /// An error is recorded if n is negative or the matrix too large.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let mut program = g.compile(g.eye(2, DType::F32) * 0.1)?;
    /// let out = program.call(())?;
    /// assert_eq!(out["result"], array![[0.1f32, 0.0], [0.0, 0.1]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "identity")]
    #[track_caller]
    pub fn eye(&self, n: impl Into<Dim>, dtype: DType) -> Expr<'_> {
        let _frame = self.enter("eye", Site::caller());
        let n = n.into();
        let row = self.iota(DType::I64, (n.clone(), 1), 0);
        row.broadcast_to((n.clone(), n.clone())).equal(row.reshape((1, n))).cast(dtype)
    }

    /// An array known beforehand, converted to `dtype`: for code that is written once for several dtypes, as in
    /// `g.constant_of(x.dtype(), array![1.0, -1.0])`. Floats are rounded to those of `dtype`.
    ///
    /// # Errors
    /// An error is recorded if `dtype` does not have an element: a fraction or an infinity for `i64`, a finite number
    /// that would become infinite in `f32`, anything but 0 and 1 for `bool`.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// assert_eq!(g.constant_of(DType::F32, ndarray::array![0.1, 2.0]).ty().to_string(), "f32[2]");
    /// assert_eq!(g.constant_of(DType::I64, 3.0).ty().to_string(), "i64[]");
    /// assert!(g.constant_of(DType::I64, 3.5).is_poisoned());
    /// ```
    #[track_caller]
    pub fn constant_of(&self, dtype: DType, value: impl Into<Value>) -> Expr<'_> {
        let _frame = self.enter("constant_of", Site::caller());
        match converted(value.into(), dtype) {
            Ok(value) => self.constant(value),
            Err(error) => self.report(error, &[]),
        }
    }
}

/// The same numbers in `dtype`, if it has all of them.
fn converted(value: Value, dtype: DType) -> Result<Value, GraphError> {
    if value.dtype() == dtype {
        return Ok(value);
    }
    let numbers = match value {
        Value::F32(array) => array.mapv(f64::from),
        Value::F64(array) => array,
        Value::I64(array) => array.mapv(|integer| integer as f64),
        Value::Bool(array) => array.mapv(f64::from),
    };
    match numbers.iter().find(|number| held(**number, dtype).is_none()) {
        Some(number) => Err(GraphError::Literal { literal: *number, dtype }),
        None => Ok(Cast { dtype }.of_numbers(&numbers)),
    }
}

impl<'g> Expr<'g> {
    /// Zeros of this type.
    #[track_caller]
    pub fn zeros_like(self) -> Expr<'g> {
        let _frame = self.enter("zeros_like");
        self.filled(0.0)
    }

    /// Ones of this type.
    #[track_caller]
    pub fn ones_like(self) -> Expr<'g> {
        let _frame = self.enter("ones_like");
        self.filled(1.0)
    }

    /// An array of this type of which every element is `value`: a number that this dtype has, or a handle that
    /// broadcasts to this shape.
    ///
    /// # Errors
    /// An error is recorded if this dtype does not have the number, or if the handle has another dtype or does not
    /// broadcast.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 3));
    /// assert_eq!(x.full_like(0.5).ty(), x.ty());
    /// ```
    #[track_caller]
    pub fn full_like(self, value: impl Operand<'g>) -> Expr<'g> {
        let _frame = self.enter("full_like");
        let value = value.into_expr(self);
        if let Some(poison) = self.graph().refuse(&[self, value]) {
            return poison;
        }
        let (left, right) = (self.dtype(), value.dtype());
        if left != right {
            return self.graph().report(GraphError::DTypesDiffer { left, right }, &[self, value]);
        }
        value.broadcast_to(self.shape())
    }
}
