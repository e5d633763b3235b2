//! How a user asks for windows. In: an array and how the window goes over it. Out: window primitives, and the average
//! composed of them.

use super::spatial::{Padding, PerAxis, Span, extent};
use crate::graph::{Axes, Broadcast, Dim, Expr, GraphError, Literal, Op, Shape, Type, Window, WindowReduction};

/// How a window goes over an array; by default by steps of its own size and without padding. A number holds for all
/// axes that it goes over, an array has one for each.
///
/// # Example
/// ```
/// use pullback::{Graph, Pool};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 8, 28, 28));
/// assert_eq!(x.max_pool(2).shape().to_string(), "[batch, 8, 14, 14]");
/// assert_eq!(x.max_pool([2, 4]).shape().to_string(), "[batch, 8, 14, 7]");
/// assert_eq!(x.max_pool(Pool::size(3).stride(2).padding(1)).shape().to_string(), "[batch, 8, 14, 14]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    size: PerAxis,
    stride: Option<PerAxis>,
    padding: Padding,
    dilation: PerAxis,
}

impl From<usize> for Pool {
    fn from(size: usize) -> Pool {
        Pool::size(size)
    }
}

impl<const N: usize> From<[usize; N]> for Pool {
    fn from(size: [usize; N]) -> Pool {
        Pool::size(size)
    }
}

impl Pool {
    /// Windows of this size, one beside the other.
    #[must_use]
    pub fn size(size: impl Into<PerAxis>) -> Pool {
        Pool { size: size.into(), stride: None, padding: Padding::Valid, dilation: PerAxis::All(1) }
    }

    /// Steps of the window; its size if this is not called.
    #[must_use]
    pub fn stride(self, stride: impl Into<PerAxis>) -> Pool {
        Pool { stride: Some(stride.into()), ..self }
    }

    /// Padding: a number for all sides, an array with one for each axis, or with a pair (before, after) for each. It is
    /// less than the window, so that each window has an element.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Pool {
        Pool { padding: padding.into(), ..self }
    }

    /// Padding for out = ⌈in / stride⌉.
    #[must_use]
    pub fn same(self) -> Pool {
        self.padding(Padding::Same)
    }

    /// Distance between neighbours of the window.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<PerAxis>) -> Pool {
        Pool { dilation: dilation.into(), ..self }
    }

    /// The window over all axes of `shape`: of size 1 over the first `n_outer`.
    fn over(&self, kind: WindowReduction, shape: &Shape, n_outer: usize) -> Result<Window, GraphError> {
        let Some(rank) = shape.rank().checked_sub(n_outer).filter(|rank| *rank > 0 || n_outer == 0) else {
            return Err(GraphError::Rank { expected: format!("at least {}", n_outer + 1), found: shape.clone() });
        };
        let size = self.size.positive_over("size", rank)?;
        let stride = self.stride.as_ref().unwrap_or(&self.size).positive_over("stride", rank)?;
        let dilation = self.dilation.positive_over("dilation", rank)?;
        let span = |axis: usize| Span {
            whole: shape[n_outer + axis].clone(),
            window: extent(&Dim::from(size[axis]), dilation[axis]),
            stride: stride[axis],
        };
        let (low, high) = self.padding.over(&(0..rank).map(span).collect::<Vec<_>>())?;
        let per_axis = |outer: usize, axes: Axes| Axes::from_elem(outer, n_outer).into_iter().chain(axes).collect();
        Ok(Window {
            kind,
            size: per_axis(1, size),
            stride: per_axis(1, stride),
            dilation: per_axis(1, dilation),
            low: per_axis(0, low),
            high: per_axis(0, high),
        })
    }
}

impl<'g> Expr<'g> {
    fn window(self, kind: WindowReduction, pool: &Pool, n_outer: usize) -> Expr<'g> {
        if self.is_poisoned() {
            return self;
        }
        match pool.over(kind, &self.shape(), n_outer) {
            Ok(window) => self.graph().apply(window, &[self]),
            Err(error) => self.graph().report(error, &[self]),
        }
    }

    /// The greatest of each window over the spatial axes; padding is never it, NaN is if there is one. All of the
    /// derivative goes to the first of ties in row-major order.
    ///
    /// out\[n, c, p\] = maxₖ x\[n, c, p·stride + k·dilation − padding\].
    ///
    /// # Shapes
    /// x: `[batch, channels, spatial…]` → `[batch, channels, places…]`, ⌊(in + padding − extent) / stride⌋ + 1 places
    /// along each axis, where extent = (size − 1)·dilation + 1.
    ///
    /// # Errors
    /// An error is recorded if padding can leave a window without an element.
    ///
    /// # Complexity
    /// Outputs · elements of the window.
    ///
    /// # Source
    /// Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016), section 3.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8, 28, 28));
    /// assert_eq!(x.max_pool(2).shape().to_string(), "[batch, 8, 14, 14]");
    /// ```
    #[doc(alias = "max_pool2d")]
    #[track_caller]
    pub fn max_pool(self, pool: impl Into<Pool>) -> Expr<'g> {
        let _frame = self.enter("max_pool");
        self.window(WindowReduction::Max, &pool.into(), 2)
    }

    /// The mean of each window over the spatial axes: its sum by the number of its elements, padding not counted.
    ///
    /// # Shapes
    /// x: `[batch, channels, spatial…]` → `[batch, channels, places…]`, as many as for [`Expr::max_pool`].
    ///
    /// # Complexity
    /// Outputs · elements of the window.
    ///
    /// # Source
    /// Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016), section 3.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, Pool};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8, 28));
    /// assert_eq!(x.avg_pool(Pool::size(3).stride(1).same()).shape(), x.shape());
    /// ```
    #[doc(alias("avg_pool2d", "mean_pool"))]
    #[track_caller]
    pub fn avg_pool(self, pool: impl Into<Pool>) -> Expr<'g> {
        let _frame = self.enter("avg_pool");
        if !self.is_poisoned() && !self.dtype().is_float() {
            let error = GraphError::UnsupportedDType { expected: "a float", found: self.dtype() };
            return self.graph().report(error, &[self]);
        }
        let sums = self.window(WindowReduction::Sum, &pool.into(), 2);
        match sums.op() {
            Op::Window(window) => sums / self.counts(&window, &sums.shape()),
            _ => sums,
        }
    }

    /// The number of elements in each window over the spatial axes, repeated over batch and channels.
    fn counts(self, window: &Window, shape: &Shape) -> Expr<'g> {
        let g = self.graph();
        if window.low.iter().chain(&window.high).all(|padding| *padding == 0) {
            let count: f64 = window.size.iter().map(|size| *size as f64).product();
            return g.splat(Literal::Number(count), Type::new(self.dtype(), shape));
        }
        let ones = g.splat(Literal::Number(1.0), Type::new(self.dtype(), self.shape().with_ones(&[0, 1])));
        let counts = g.apply(window.clone(), &[ones]);
        g.apply(Broadcast { axes: (0..shape.rank()).collect(), shape: shape.clone() }, &[counts])
    }

    /// The sum of each window over all axes; padding counts as 0.
    ///
    /// # Shapes
    /// `[n]` → `[places]`, ⌊(n + padding − extent) / stride⌋ + 1 of them along each axis.
    ///
    /// # Complexity
    /// Outputs · elements of the window.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, Pool};
    /// let g = Graph::new();
    /// let x = g.input("x", (7,));
    /// assert_eq!(x.window_sum(Pool::size(3).stride(1)).shape().to_string(), "[5]");
    /// ```
    #[doc(alias("reduce_window", "sum_pool"))]
    #[track_caller]
    pub fn window_sum(self, pool: impl Into<Pool>) -> Expr<'g> {
        let _frame = self.enter("window_sum");
        self.window(WindowReduction::Sum, &pool.into(), 0)
    }

    /// The greatest of each window over all axes, with the conventions of [`Expr::max_pool`].
    ///
    /// # Shapes
    /// As [`Expr::window_sum`].
    ///
    /// # Complexity
    /// Outputs · elements of the window.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", (6, 9));
    /// assert_eq!(x.window_max([2, 3]).shape().to_string(), "[3, 3]");
    /// ```
    #[track_caller]
    pub fn window_max(self, pool: impl Into<Pool>) -> Expr<'g> {
        let _frame = self.enter("window_max");
        self.window(WindowReduction::Max, &pool.into(), 0)
    }
}
