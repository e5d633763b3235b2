//! The closure form of a batch. In: arrays, and a function of one slice of each. Out: what [`Graph::batch`] gives for what the
//! closure builds, with axes in and out.
//!
//! The closure runs once, on nodes that stand for the slices; these are then replaced by the arrays like any other nodes, so
//! that nothing of a batch is done here.

use super::Slices;
use crate::{
    graph::{Expr, Graph, GraphError, Shape, Site, Type},
    ops::{Tree, leaves, normalize, poisoned},
};

/// An axis for each of several arrays; negative ones count from the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmapAxes {
    /// The same for all.
    Same(i64),
    /// One for each, in order.
    Each(Vec<i64>),
}

impl VmapAxes {
    /// As many as there are arrays, or the error.
    fn for_each_of(&self, n: usize) -> Result<Vec<i64>, GraphError> {
        match self {
            VmapAxes::Same(axis) => Ok(vec![*axis; n]),
            VmapAxes::Each(axes) if axes.len() == n => Ok(axes.clone()),
            VmapAxes::Each(axes) => Err(GraphError::OutOfRange {
                what: "the number of axes",
                expected: "one for each array",
                found: format!("{} for {n} arrays", axes.len()),
            }),
        }
    }
}

/// Along which axes [`Graph::vmap_with`] goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmapOptions {
    /// The axes that slices are taken along, in the order of the arrays.
    pub axes: VmapAxes,
    /// The axes of the results that go over the slices, in the order of what the closure gives.
    pub out_axes: VmapAxes,
}

impl Default for VmapOptions {
    /// The first axis of all arrays and of all results.
    fn default() -> VmapOptions {
        VmapOptions { axes: VmapAxes::Same(0), out_axes: VmapAxes::Same(0) }
    }
}

impl Graph {
    /// A function of each slice of arrays along their first axes, all at once: what it gives, stacked along a new first axis.
    ///
    /// The closure is run once, on handles that stand for one slice of each array; what it reads from outside is shared by
    /// all slices, and derivatives may be taken inside. This is [`Graph::batch`] of what the closure gives, and everything
    /// said there holds: nothing loops, and what depends on no slice is neither repeated nor computed again. **Random
    /// numbers** whose key comes from outside are one draw for all slices: slice an array of keys, by [`Graph::split_key`].
    ///
    /// # Shapes
    /// xs: `[n, …]` each; a slice has the shape `[…]`; a result of shape T becomes `[n]` + T.
    ///
    /// # Errors
    /// An error is recorded if there is no array, if one is a scalar, or if the first axes differ in size.
    ///
    /// # Example
    /// The gradient of each example's loss:
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let (xs, ys, w) = (g.input("xs", ("batch", 2)), g.input("ys", ("batch",)), g.input("w", (2,)));
    /// let gradients = g.vmap((xs, ys), |(x, y)| g.gradient((x.dot(w) - y).square(), w));
    /// assert_eq!(gradients.ty().to_string(), "f32[batch, 2]");
    ///
    /// let mut program = g.compile(gradients)?;
    /// let (xs, ys, w) = (array![[1f32, 2.0], [3.0, 4.0]], array![0f32, 6.0], array![1f32, 1.0]);
    /// let out = program.call((("xs", &xs), ("ys", &ys), ("w", &w)))?;
    /// assert_eq!(out["result"], array![[6f32, 12.0], [6.0, 8.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("vectorize", "batch"))]
    #[track_caller]
    pub fn vmap<'g, X: Tree<'g>, Y: Tree<'g>>(&'g self, xs: X, f: impl FnOnce(X) -> Y) -> Y {
        let _frame = self.enter("vmap", Site::caller());
        self.vmap_with(&VmapOptions::default(), xs, f)
    }

    /// [`Graph::vmap`] along any axes of arrays and results.
    ///
    /// # Errors
    /// As for [`Graph::vmap`]; also if there is no such axis, or another number of axes than arrays or results.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, batching::{VmapAxes, VmapOptions}};
    /// let g = Graph::new();
    /// let (a, b) = (g.input("a", ("n", 4, 3)), g.input("b", (3, "n")));
    /// let options = VmapOptions { axes: VmapAxes::Each(vec![0, 1]), out_axes: VmapAxes::Same(-1) };
    /// let products = g.vmap_with(&options, (a, b), |(a, b)| a.dot(b));
    /// assert_eq!(products.shape().to_string(), "[4, n]");
    /// ```
    #[track_caller]
    pub fn vmap_with<'g, X: Tree<'g>, Y: Tree<'g>>(
        &'g self,
        options: &VmapOptions,
        xs: X,
        f: impl FnOnce(X) -> Y,
    ) -> Y {
        let _frame = self.enter("vmap", Site::caller());
        let arrays = leaves(&xs);
        let sliced = self.refuse(&arrays).map_or_else(|| self.sliced(&options.axes, &arrays), Err);
        let (types, axes) = match sliced {
            Ok(sliced) => sliced,
            Err(poison) => {
                // The closure knows the shape of the result.
                let _outside = self.leave();
                return poisoned(&f(poisoned(&xs, poison)), poison);
            }
        };
        let ones: Vec<Expr<'g>> = self.trace(&types).arguments.into_iter().map(|id| self.expr(id)).collect();
        let results = {
            let _outside = self.leave();
            f(xs.rebuild(&mut ones.iter().copied()))
        };
        let outputs = leaves(&results);
        let out_axes = match options.out_axes.for_each_of(outputs.len()) {
            Ok(axes) => axes,
            Err(error) => return poisoned(&results, self.report(error, &outputs)),
        };
        let slices = ones.iter().zip(&arrays).zip(axes).map(|((one, array), axis)| Slices::from((*one, *array, axis)));
        let stacked = self.batch(outputs, slices.collect::<Vec<_>>());
        let placed = |(output, axis): (Expr<'g>, i64)| if axis == 0 { output } else { output.move_axis(0, axis) };
        results.rebuild(&mut stacked.into_iter().zip(out_axes).map(placed))
    }

    /// The type of one slice of each array and the axis it is taken along, or the poison in their place.
    fn sliced<'g>(&'g self, axes: &VmapAxes, arrays: &[Expr<'g>]) -> Result<(Vec<Type>, Vec<i64>), Expr<'g>> {
        let axes = axes.for_each_of(arrays.len()).map_err(|error| self.report(error, arrays))?;
        let slice = |(array, axis): (&Expr<'g>, &i64)| {
            let shape: Shape = array.shape();
            let axis = normalize(*axis, shape.rank()).map_err(|error| self.report(error, &[*array]))?;
            Ok(Type::new(array.dtype(), shape.without(&[axis])))
        };
        let types = arrays.iter().zip(&axes).map(slice).collect::<Result<_, Expr<'g>>>()?;
        Ok((types, axes))
    }
}
