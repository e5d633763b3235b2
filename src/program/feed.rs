//! What a call is given: parameters, arrays to read by name, and arrays to write by name. In: pairs of a name and an array, alone or
//! in tuples, arrays, slices and vectors. Out: each pair, one after another.

use std::sync::{Arc, LazyLock};

use super::{Outputs, RunError};
use crate::{
    graph::{AsView, AsViewMut, ValueView, ValueViewMut},
    parameters::{Parameters, State},
};

/// The parameters of a call: `&parameters`, in an `Arc` or not, or `()` for a program that has none; and `&mut parameters` for a
/// training step that sets states ([`Graph::update`](crate::Graph::update)). There are no others: a program relies on the state being
/// that of the parameters.
///
/// # Example
/// ```
/// use pullback::{Graph, Initializer};
/// let g = Graph::new();
/// let w = g.parameter("w", (2,), Initializer::Constant(1.0));
/// let mut weighted = g.compile((w * g.input("x", (2,))).sum())?;
/// assert_eq!(weighted.run(&g.initialize(0)?, ("x", [1.0f32, 2.0]))?.scalar::<f32>("result")?, 3.0);
/// let mut constant = g.compile(g.constant(5.0f32))?;
/// assert_eq!(constant.run((), ())?.scalar::<f32>("result")?, 5.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Others cannot implement it:
/// ```compile_fail,E0277
/// use pullback::{AsParameters, Parameters, parameters::State};
/// struct Mine(Parameters, State);
/// impl AsParameters for Mine {
///     fn as_parameters(&self) -> &Parameters {
///         &self.0
///     }
///     fn state_mut(&mut self) -> Option<&mut State> {
///         Some(&mut self.1)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given as parameters",
    note = "give `&parameters` or `&mut parameters`, or `()` to a program that has none"
)]
pub trait AsParameters: sealed::Sealed {
    /// The parameters.
    fn as_parameters(&self) -> &Parameters;

    /// Their state, if it may be set.
    fn state_mut(&mut self) -> Option<&mut State>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for &super::Parameters {}
    impl Sealed for &super::Arc<super::Parameters> {}
    impl Sealed for &mut super::Parameters {}
    impl Sealed for () {}
}

impl AsParameters for &Parameters {
    fn as_parameters(&self) -> &Parameters {
        self
    }

    fn state_mut(&mut self) -> Option<&mut State> {
        None
    }
}

impl AsParameters for &Arc<Parameters> {
    fn as_parameters(&self) -> &Parameters {
        self
    }

    fn state_mut(&mut self) -> Option<&mut State> {
        None
    }
}

impl AsParameters for &mut Parameters {
    fn as_parameters(&self) -> &Parameters {
        self
    }

    fn state_mut(&mut self) -> Option<&mut State> {
        Some(Parameters::state_mut(self))
    }
}

impl AsParameters for () {
    fn as_parameters(&self) -> &Parameters {
        static NONE: LazyLock<Parameters> = LazyLock::new(Parameters::default);
        &NONE
    }

    fn state_mut(&mut self) -> Option<&mut State> {
        None
    }
}

/// Arrays with names, to be fed to a program: `("x", &x)`, a tuple of such pairs where the arrays are of several types, an array,
/// slice or vector of them where they are of one, `()` for none, or the [`Outputs`] of another program.
///
/// What [`AsView`] is implemented for is fed as it is: numbers, slices, vectors, arrays of ndarray of any strides, owned or
/// borrowed.
///
/// # Example
/// ```
/// use ndarray::{Array2, array};
/// use pullback::{DType, Graph};
/// let g = Graph::new();
/// let (x, row, shift) = (g.input("x", (2, 3)), g.input_of(DType::I64, "row", ()), g.input("shift", (3,)));
/// let mut program = g.compile(x.gather(row, 0) + shift)?;
/// let out = program.call((("x", Array2::<f32>::eye(3).slice(ndarray::s![..2, ..])), ("row", 1), ("shift", &[1.0f32, 2.0, 3.0])))?;
/// assert_eq!(out["result"], array![1.0f32, 3.0, 3.0].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A type of yours can be fed if it tells its arrays:
///
/// ```
/// use pullback::{DType, Graph, Inputs, RunError, ValueView, AsView};
/// struct Point { x: f64, y: f64 }
/// impl Inputs for Point {
///     fn each<'s>(
///         &'s self,
///         feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>,
///     ) -> Result<(), RunError> {
///         feed("x", self.x.as_view())?;
///         feed("y", self.y.as_view())
///     }
/// }
/// let g = Graph::new();
/// let (x, y) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "y", ()));
/// let out = g.compile((x * x + y * y).sqrt())?.call(Point { x: 3.0, y: 4.0 })?;
/// assert_eq!(out.scalar::<f64>("result")?, 5.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Inputs {
    /// Gives each name with its array to `feed`.
    ///
    /// # Errors
    /// The first error of `feed`: such an array is not fed.
    fn each<'s>(&'s self, feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>) -> Result<(), RunError>;
}

/// Arrays with names, to be written by a program, in the same forms as [`Inputs`]: `("y", &mut y)`.
pub trait Destinations {
    /// Gives each name with its array to `take`.
    ///
    /// # Errors
    /// The first error of `take`: such an array is not written.
    fn each<'s>(
        &'s mut self,
        take: &mut dyn FnMut(&str, ValueViewMut<'s>) -> Result<(), RunError>,
    ) -> Result<(), RunError>;
}

macro_rules! named {
    ($($name:ty),*) => {$(
        impl<A: AsView> Inputs for ($name, A) {
            fn each<'s>(
                &'s self,
                feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>,
            ) -> Result<(), RunError> {
                feed(&self.0, self.1.as_view())
            }
        }

        impl<A: AsViewMut> Destinations for ($name, A) {
            fn each<'s>(
                &'s mut self,
                take: &mut dyn FnMut(&str, ValueViewMut<'s>) -> Result<(), RunError>,
            ) -> Result<(), RunError> {
                take(&self.0, self.1.as_view_mut())
            }
        }
    )*};
}
named!(&str, String);

/// A list is its parts, one after another.
macro_rules! lists {
    ($([$($generics:tt)*] $list:ty)*) => {$(
        impl<P: Inputs, $($generics)*> Inputs for $list {
            fn each<'s>(
                &'s self,
                feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>,
            ) -> Result<(), RunError> {
                self.iter().try_for_each(|part| part.each(feed))
            }
        }

        impl<P: Destinations, $($generics)*> Destinations for $list {
            fn each<'s>(
                &'s mut self,
                take: &mut dyn FnMut(&str, ValueViewMut<'s>) -> Result<(), RunError>,
            ) -> Result<(), RunError> {
                self.iter_mut().try_for_each(|part| part.each(take))
            }
        }
    )*};
}
lists! {
    [] [P]
    [const N: usize] [P; N]
    [] Vec<P>
}

impl<I: Inputs + ?Sized> Inputs for &I {
    fn each<'s>(&'s self, feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>) -> Result<(), RunError> {
        (**self).each(feed)
    }
}

impl<D: Destinations + ?Sized> Destinations for &mut D {
    fn each<'s>(
        &'s mut self,
        take: &mut dyn FnMut(&str, ValueViewMut<'s>) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        (**self).each(take)
    }
}

/// What a program computed, under the same names.
impl Inputs for Outputs {
    fn each<'s>(&'s self, feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>) -> Result<(), RunError> {
        self.iter().try_for_each(|(name, value)| feed(name, value.view()))
    }
}

macro_rules! tuples {
    ($(($($part:ident),*))*) => {$(
        #[allow(non_snake_case, unused_variables, reason = "the type parameters name the parts of the tuple; `()` has none")]
        impl<$($part: Inputs),*> Inputs for ($($part,)*) {
            fn each<'s>(
                &'s self,
                feed: &mut dyn FnMut(&str, ValueView<'s>) -> Result<(), RunError>,
            ) -> Result<(), RunError> {
                let ($($part,)*) = self;
                $($part.each(feed)?;)*
                Ok(())
            }
        }

        #[allow(non_snake_case, unused_variables, reason = "the type parameters name the parts of the tuple; `()` has none")]
        impl<$($part: Destinations),*> Destinations for ($($part,)*) {
            fn each<'s>(
                &'s mut self,
                take: &mut dyn FnMut(&str, ValueViewMut<'s>) -> Result<(), RunError>,
            ) -> Result<(), RunError> {
                let ($($part,)*) = self;
                $($part.each(take)?;)*
                Ok(())
            }
        }
    )*};
}
tuples! {
    ()
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, F)
    (A, B, C, D, E, F, G)
    (A, B, C, D, E, F, G, H)
    (A, B, C, D, E, F, G, H, I)
    (A, B, C, D, E, F, G, H, I, J)
    (A, B, C, D, E, F, G, H, I, J, K)
    (A, B, C, D, E, F, G, H, I, J, K, L)
}
