//! Pools that are told the size of what they give: adaptive ones, and global ones, which leave no spatial axis. In: an
//! array. Out: composites of gathers, windows and reductions.

use super::check::{check_places, either};
use crate::{
    graph::{DType, Dim, Expr, GraphError, Shape},
    ops::{PerAxis, Pool, greatest_common_divisor},
};

/// The windows of an adaptive pool along one axis: cell i of `n_cells` sees ⌊i·size / cells⌋ up to, but not including,
/// ⌈(i + 1)·size / cells⌉ of `size` elements.
#[derive(Clone, Copy)]
struct Cells {
    size: usize,
    n_cells: usize,
}

impl Cells {
    fn are_equal(self) -> bool {
        self.size.is_multiple_of(self.n_cells)
    }

    /// The most elements that a cell sees. With size = q·cells + r, cell i begins a = (i·r) mod cells past a multiple of
    /// `cells`, so it sees ⌈(a + size) / cells⌉ elements; the a are the multiples of d = gcd(r, cells), at most cells − d.
    fn widest(self) -> usize {
        let (quotient, rest) = (self.size / self.n_cells, self.size % self.n_cells);
        match greatest_common_divisor(rest, self.n_cells) {
            _ if rest == 0 => quotient,
            divisor if rest == divisor => quotient + 1,
            _ => quotient + 2,
        }
    }
}

/// What a cell that sees fewer elements than the widest reads in place of those it lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filling {
    /// The element behind the last of the axis, a zero that is put there.
    Zero,
    /// Its own last element.
    Last,
}

/// An array whose windows lie one beside the other, of the widths that the pool has.
struct Spread<'g> {
    value: Expr<'g>,
    cells: Vec<Cells>,
}

impl<'g> Expr<'g> {
    /// The mean over all spatial axes: a number for each channel of each example.
    ///
    /// # Shapes
    /// x: `[batch, channels, spatial…]` → `[batch, channels]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float or has fewer than three axes.
    ///
    /// # Source
    /// Lin, Chen and Yan, *Network in network*, 2014, section 3.2.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8, "height", "width"));
    /// assert_eq!(x.global_avg_pool().shape().to_string(), "[batch, 8]");
    /// ```
    #[doc(alias("GlobalAveragePooling2D", "global_mean_pool"))]
    #[track_caller]
    pub fn global_avg_pool(self) -> Expr<'g> {
        let _frame = self.enter("global_avg_pool");
        either(self.check_float().and_then(|()| self.spatial_axes()).map(|axes| self.mean_over(axes.as_slice())))
    }

    /// The greatest over all spatial axes. The derivative is split evenly among ties.
    ///
    /// # Shapes
    /// x: `[batch, channels, spatial…]` → `[batch, channels]`.
    ///
    /// # Errors
    /// An error is recorded if x has fewer than three axes.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8, "time"));
    /// assert_eq!(x.global_max_pool().shape().to_string(), "[batch, 8]");
    /// ```
    #[doc(alias = "GlobalMaxPooling2D")]
    #[track_caller]
    pub fn global_max_pool(self) -> Expr<'g> {
        let _frame = self.enter("global_max_pool");
        either(self.spatial_axes().map(|axes| self.max_over(axes.as_slice())))
    }

    /// The mean over windows that are chosen so that there are `size` of them along each spatial axis, whatever the size of
    /// the array: window i of m over n elements begins at ⌊i·n/m⌋ and ends before ⌈(i + 1)·n/m⌉. Where m does not divide n,
    /// windows overlap. `size` is a number for all spatial axes, or an array with one for each.
    ///
    /// # Shapes
    /// x: `[batch, channels, spatial…]` → `[batch, channels, size…]`.
    ///
    /// # Errors
    /// An error is recorded if x is no float, if a spatial size is a symbol or 0, or if a size asked for is 0.
    ///
    /// # Complexity
    /// The elements of the windows, all together: about those of x where the sizes asked for are smaller.
    ///
    /// # Source
    /// PyTorch, `torch.nn.AdaptiveAvgPool2d`, for the windows; He, Zhang, Ren and Sun, *Spatial pyramid pooling in deep
    /// convolutional networks for visual recognition*, 2015, section 2.2, for the idea.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 512, 13, 10));
    /// assert_eq!(x.adaptive_avg_pool(7).shape().to_string(), "[batch, 512, 7, 7]");
    /// assert_eq!(x.adaptive_avg_pool([1, 2]).shape().to_string(), "[batch, 512, 1, 2]");
    /// ```
    #[doc(alias = "AdaptiveAvgPool2d")]
    #[track_caller]
    pub fn adaptive_avg_pool(self, size: impl Into<PerAxis>) -> Expr<'g> {
        let _frame = self.enter("adaptive_avg_pool");
        let sizes = size.into();
        let build = |cells: Vec<Cells>| {
            if cells.iter().all(|cells| cells.are_equal()) {
                return self.avg_pool(pool_of(&cells));
            }
            let spread = self.spread(cells, Filling::Zero);
            if spread.value.is_poisoned() {
                return spread.value;
            }
            let widths = [1, 1].into_iter().chain(spread.cells.iter().map(|cells| cells.widest()));
            spread.value.window_sum(Pool::size(widths.collect::<Vec<_>>())) / self.n_elements(&spread.cells)
        };
        either(self.check_float().and_then(|()| self.cells(&sizes)).map(build))
    }

    /// The greatest of each window, with the windows of [`Expr::adaptive_avg_pool`]. All of the derivative goes to the
    /// first of ties in row-major order, as for [`Expr::max_pool`].
    ///
    /// # Shapes
    /// x: `[batch, channels, spatial…]` → `[batch, channels, size…]`.
    ///
    /// # Errors
    /// An error is recorded if a spatial size is a symbol or 0, or if a size asked for is 0.
    ///
    /// # Complexity
    /// The elements of the windows, all together.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 64, 30));
    /// assert_eq!(x.adaptive_max_pool(4).shape().to_string(), "[batch, 64, 4]");
    /// ```
    #[doc(alias = "AdaptiveMaxPool2d")]
    #[track_caller]
    pub fn adaptive_max_pool(self, size: impl Into<PerAxis>) -> Expr<'g> {
        let _frame = self.enter("adaptive_max_pool");
        let sizes = size.into();
        let build = |cells: Vec<Cells>| {
            let spread = self.spread(cells, Filling::Last);
            spread.value.max_pool(pool_of(&spread.cells))
        };
        either(self.cells(&sizes).map(build))
    }

    /// The axes behind batch and channels, of which there is one at least.
    pub(super) fn spatial_axes(self) -> Result<Vec<i64>, Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        match i64::try_from(self.rank()) {
            Ok(rank) if rank > 2 => Ok((2..rank).collect()),
            _ => Err(self
                .graph()
                .report(GraphError::Rank { expected: "at least 3".into(), found: self.shape() }, &[self])),
        }
    }

    fn cells(self, sizes: &PerAxis) -> Result<Vec<Cells>, Expr<'g>> {
        let n_spatial = self.spatial_axes()?.len();
        let report = |error: GraphError| self.graph().report(error, &[self]);
        let sizes = sizes.over("the size of the result", n_spatial).map_err(report)?;
        sizes.iter().try_for_each(|size| check_places(&Dim::from(*size))).map_err(report)?;
        let cells = |(n_cells, size): (usize, &Dim)| match size.as_number().map(usize::try_from) {
            Some(Ok(0)) => Err(report(GraphError::NotPositive { what: "a spatial size", found: size.clone() })),
            Some(Ok(size)) => Ok(Cells { size, n_cells }),
            _ => Err(report(GraphError::Symbolic { what: "a spatial size", found: size.clone() })),
        };
        sizes.into_iter().zip(&self.shape()[2..]).map(cells).collect()
    }

    /// The elements of all windows one after another, along axes where windows differ in width or overlap.
    fn spread(self, cells: Vec<Cells>, filling: Filling) -> Spread<'g> {
        let mut value = self;
        for (axis, cells) in (2..).zip(&cells).filter(|(_, cells)| !cells.are_equal()) {
            if value.is_poisoned() {
                break;
            }
            if filling == Filling::Zero {
                let rank = self.rank() as i64;
                value = value.pad((0..rank).map(|other| (0, i64::from(other == axis))), 0.0);
            }
            value = value.gather(self.positions(*cells, filling), axis);
        }
        Spread { value, cells }
    }

    /// Where the windows of one axis read: as many positions for each cell as the widest has.
    fn positions(self, cells: Cells, filling: Filling) -> Expr<'g> {
        let (g, shape) = (self.graph(), Shape::from([cells.n_cells, cells.widest()]));
        let (begin, end) = self.bounds(cells);
        let position = begin.unsqueeze(-1) + g.iota(DType::I64, &shape, 1);
        let end = end.unsqueeze(-1);
        let positions = match filling {
            Filling::Zero => position.less(end).select(position, cells.size as i64),
            Filling::Last => position.minimum(end - 1),
        };
        positions.flatten(0)
    }

    /// First position of each cell, and the one behind the last.
    fn bounds(self, Cells { size, n_cells }: Cells) -> (Expr<'g>, Expr<'g>) {
        let cell = self.graph().iota(DType::I64, (n_cells,), 0);
        let (size, n_cells) = (size as i64, n_cells as i64);
        (cell * size / n_cells, ((cell + 1) * size + (n_cells - 1)) / n_cells)
    }

    /// How many elements each window has, `[size…]`.
    fn n_elements(self, cells: &[Cells]) -> Expr<'g> {
        let widths = cells.iter().map(|cells| {
            let (begin, end) = self.bounds(*cells);
            (end - begin).cast(self.dtype())
        });
        let outer = |product: Expr<'g>, widths: Expr<'g>| product.unsqueeze(-1) * widths;
        widths.reduce(outer).expect("invariant: there is a spatial axis")
    }
}

/// Windows of the greatest widths, one beside the other.
fn pool_of(cells: &[Cells]) -> Pool {
    Pool::size(cells.iter().map(|cells| cells.widest()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_cell_is_as_wide_as_the_widest_of_all() {
        for size in 1..40usize {
            for n_cells in 1..40usize {
                let width = |cell: usize| ((cell + 1) * size).div_ceil(n_cells) - cell * size / n_cells;
                let cells = Cells { size, n_cells };
                assert_eq!(Some(cells.widest()), (0..n_cells).map(width).max(), "{size} {n_cells}");
            }
        }
    }
}
