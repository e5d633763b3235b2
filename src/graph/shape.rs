//! Shapes and types of arrays. In: dims. Out: [`Shape`] and [`Type`], and the conversions that let a user write
//! `("batch", 64)`. Nothing here knows an operation.

use std::{fmt, ops::Deref};

use smallvec::SmallVec;

use super::{
    dim::{Bindings, Dim},
    dtype::DType,
    list::List,
};

/// Positions of axes, or one small number per axis.
pub type Axes = List<usize>;

/// Sizes of the axes of an array, outermost first. `()` is a scalar.
///
/// # Example
/// ```
/// use pullback::{Dim, Shape};
/// assert_eq!(Shape::from(("batch", 64)).to_string(), "[batch, 64]");
/// assert_eq!(Shape::from((2, 3)).as_numbers(), Some(vec![2, 3]));
/// assert_eq!(Shape::from(()).rank(), 0);
/// assert_eq!(Shape::from((Dim::symbol("batch") * 2,)).to_string(), "[2*batch]");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Shape(SmallVec<[Dim; 4]>);

impl Shape {
    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements.
    pub fn size(&self) -> Dim {
        self.0.iter().cloned().product()
    }

    /// The sizes, if no symbol and no negative number is in them.
    pub fn as_numbers(&self) -> Option<Vec<usize>> {
        self.0.iter().map(|dim| dim.as_number().and_then(|number| usize::try_from(number).ok())).collect()
    }

    /// The sizes once symbols are bound; the first dim that is unbound, negative or not addressable is returned as
    /// the error.
    pub fn evaluate(&self, bindings: &Bindings) -> Result<Vec<usize>, Dim> {
        let size = |dim: &Dim| {
            let number = dim.evaluate(bindings).ok()?;
            usize::try_from(number).ok()
        };
        let sizes: Vec<usize> =
            self.0.iter().map(|dim| size(dim).ok_or_else(|| dim.clone())).collect::<Result<_, _>>()?;
        if has_too_many_elements(&sizes) { Err(self.size()) } else { Ok(sizes) }
    }

    /// This shape without the axes `axes`.
    pub fn without(&self, axes: &[usize]) -> Shape {
        self.0.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, dim)| dim.clone()).collect()
    }

    /// This shape with size 1 in place of the axes `axes`.
    pub fn with_ones(&self, axes: &[usize]) -> Shape {
        let kept = |(axis, dim): (usize, &Dim)| if axes.contains(&axis) { Dim::from(1) } else { dim.clone() };
        self.0.iter().enumerate().map(kept).collect()
    }
}

/// An array of more elements than this is refused wherever it is asked for.
const MAX_ELEMENTS: u64 = 1 << 46;

/// Whether memory cannot hold such an array. An empty one is refused for its other sizes as if it had elements: strides
/// and counts of rows are made of them.
pub(crate) fn has_too_many_elements(sizes: &[usize]) -> bool {
    let others = sizes.iter().filter(|size| **size > 0);
    let product = others.copied().try_fold(1u64, |product, size| product.checked_mul(size as u64));
    product.is_none_or(|product| product > MAX_ELEMENTS)
}

impl Deref for Shape {
    type Target = [Dim];
    fn deref(&self) -> &[Dim] {
        &self.0
    }
}

impl FromIterator<Dim> for Shape {
    fn from_iter<I: IntoIterator<Item = Dim>>(dims: I) -> Shape {
        Shape(dims.into_iter().collect())
    }
}

impl From<()> for Shape {
    fn from((): ()) -> Shape {
        Shape::default()
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Shape {
        shape.clone()
    }
}

impl<D: Into<Dim>, const N: usize> From<[D; N]> for Shape {
    fn from(dims: [D; N]) -> Shape {
        dims.into_iter().map(Into::into).collect()
    }
}

impl<D: Clone + Into<Dim>> From<&[D]> for Shape {
    fn from(dims: &[D]) -> Shape {
        dims.iter().cloned().map(Into::into).collect()
    }
}

impl<D: Into<Dim>> From<Vec<D>> for Shape {
    fn from(dims: Vec<D>) -> Shape {
        dims.into_iter().map(Into::into).collect()
    }
}

macro_rules! shape_from_tuple {
    ($($dim:ident),+) => {
        impl<$($dim: Into<Dim>),+> From<($($dim,)+)> for Shape {
            #[allow(non_snake_case, reason = "the type parameters name the tuple's fields")]
            fn from(($($dim,)+): ($($dim,)+)) -> Shape {
                Shape(SmallVec::from_iter([$($dim.into()),+]))
            }
        }
    };
}
shape_from_tuple!(A);
shape_from_tuple!(A, B);
shape_from_tuple!(A, B, C);
shape_from_tuple!(A, B, C, D);
shape_from_tuple!(A, B, C, D, E);
shape_from_tuple!(A, B, C, D, E, F);

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, dim) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{dim}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Element type and shape of an array: `f32[batch, 64]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Type {
    /// Type of the elements.
    pub dtype: DType,
    /// Sizes of the axes.
    pub shape: Shape,
}

impl Type {
    /// The type of arrays of `dtype` and `shape`.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Type {
        Type { dtype, shape: shape.into() }
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.rank()
    }

    /// Bytes of an array of this type.
    pub(crate) fn bytes(&self) -> Dim {
        self.shape.iter().fold(Dim::from(self.dtype.size()), |product, dim| product * dim.clone())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
