//! Several handles as one value: what closures take and return. In: tuples, arrays and vectors of handles. Out: a list of
//! handles, and the same again with others in their places.

use crate::graph::Expr;

/// Handles in a shape of the user's: one handle, a tuple, an array or a vector of such, or `()` for none.
///
/// # Example
/// ```
/// use pullback::{DType, Graph};
/// let g = Graph::new();
/// let (x, y) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "y", ()));
/// // Two carries, as a tuple; nothing is sliced.
/// let (x, y) = g.fori(10, (x, y), |_, (x, y)| (y, x + y));
/// let mut program = g.compile([("x", x), ("y", y)])?;
/// assert_eq!(program.call((("x", 0.0), ("y", 1.0)))?.scalar::<f64>("x")?, 55.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "pytree")]
pub trait Tree<'g>: Sized {
    /// Puts the handles at the end of a list, in order.
    fn push_to(&self, leaves: &mut Vec<Expr<'g>>);

    /// The same shape with the next handles of a list, in the same order.
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Expr<'g>>) -> Self;
}

impl<'g> Tree<'g> for Expr<'g> {
    fn push_to(&self, leaves: &mut Vec<Expr<'g>>) {
        leaves.push(*self);
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Expr<'g>>) -> Expr<'g> {
        leaves.next().expect("invariant: a list has as many handles as the shape that it came from")
    }
}

impl<'g> Tree<'g> for () {
    fn push_to(&self, _: &mut Vec<Expr<'g>>) {}

    fn rebuild(&self, _: &mut dyn Iterator<Item = Expr<'g>>) {}
}

impl<'g, T: Tree<'g>> Tree<'g> for Vec<T> {
    fn push_to(&self, leaves: &mut Vec<Expr<'g>>) {
        self.iter().for_each(|tree| tree.push_to(leaves));
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Expr<'g>>) -> Vec<T> {
        self.iter().map(|tree| tree.rebuild(leaves)).collect()
    }
}

impl<'g, T: Tree<'g>, const N: usize> Tree<'g> for [T; N] {
    fn push_to(&self, leaves: &mut Vec<Expr<'g>>) {
        self.iter().for_each(|tree| tree.push_to(leaves));
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Expr<'g>>) -> [T; N] {
        std::array::from_fn(|position| self[position].rebuild(leaves))
    }
}

macro_rules! tree_of_tuple {
    ($($tree:ident $position:tt),+) => {
        impl<'g, $($tree: Tree<'g>),+> Tree<'g> for ($($tree,)+) {
            fn push_to(&self, leaves: &mut Vec<Expr<'g>>) {
                $(self.$position.push_to(leaves);)+
            }

            fn rebuild(&self, leaves: &mut dyn Iterator<Item = Expr<'g>>) -> Self {
                ($(self.$position.rebuild(leaves),)+)
            }
        }
    };
}
tree_of_tuple!(A 0);
tree_of_tuple!(A 0, B 1);
tree_of_tuple!(A 0, B 1, C 2);
tree_of_tuple!(A 0, B 1, C 2, D 3);
tree_of_tuple!(A 0, B 1, C 2, D 3, E 4);
tree_of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
