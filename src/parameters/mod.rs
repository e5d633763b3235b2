//! What is trained. In: names, dtypes, shapes and initializers. Out: [`Parameters`] and [`Gradients`], maps from name
//! to array over one flat buffer per dtype. No derivative and no update rule here, and no file format.

mod arithmetic;
mod buffers;
mod error;
mod histogram;
mod initialize;
mod layout;
mod metrics;
mod orthogonal;
mod stack;
mod state;
#[cfg(test)]
mod tests;

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

pub(crate) use arithmetic::{norm_of, norm_of_slice};
pub use buffers::{Buffers, FloatElement};
pub use error::ParameterError;
pub use histogram::Histogram;
pub use initialize::{InitializerError, ParameterSpec};
pub use layout::{ALIGNMENT, Layout, LayoutError, Slot};
pub use state::State;

/// The arrays that training changes, by name. The methods are those of [`Buffers`], of what gradients move; beside that is the
/// [`State`], which training steps set.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{DType, parameters::{Layout, Parameters}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layout = Layout::new([("weight", DType::F32, vec![2, 2]), ("bias", DType::F32, vec![2])])?;
/// let mut parameters = Parameters::zeros(layout);
/// parameters.set("bias", &array![1.0f32, -1.0])?;
/// assert_eq!(parameters.array::<f32>("bias")?[1], -1.0);
/// assert_eq!(parameters.flat::<f32>()?, [0.0, 0.0, 0.0, 0.0, 1.0, -1.0]);
/// let error = parameters.array::<f32>("biass").unwrap_err();
/// assert_eq!(error.to_string(), "nothing is named `biass`; the nearest name is `bias`");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters {
    learned: Buffers,
    state: State,
}

/// The derivative of a loss by each of the [`Parameters`], in the same layout. The methods are those of [`Buffers`].
///
/// # Example
/// ```
/// use pullback::{DType, parameters::{Gradients, Layout, Parameters}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let parameters = Parameters::zeros(Layout::new([("weight", DType::F64, vec![3])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[2] = 0.5;
/// assert_eq!(gradients.array::<f64>("weight")?[2], 0.5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gradients(Buffers);

impl Parameters {
    /// All zero, in `layout`.
    pub fn zeros(layout: impl Into<Arc<Layout>>) -> Parameters {
        Buffers::zeros(layout).into()
    }

    /// One array per spec, in their order, drawn from its initializer.
    ///
    /// Each parameter has a stream of ChaCha8 of its own, chosen by its name: adding, removing or reordering parameters
    /// changes no other's numbers. Numbers are drawn in f64 and rounded to the dtype.
    ///
    /// # Errors
    /// A layout that cannot be ([`LayoutError`]), or an initializer that does not fit its parameter
    /// ([`InitializerError`]).
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Initializer, parameters::{ParameterSpec, Parameters}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let spec = |name: &str| ParameterSpec {
    ///     name: name.to_owned(),
    ///     dtype: DType::F32,
    ///     shape: vec![64, 128],
    ///     initializer: Initializer::GlorotUniform,
    /// };
    /// let one = Parameters::initialize([spec("a")], 7)?;
    /// let two = Parameters::initialize([spec("b"), spec("a")], 7)?;
    /// assert_eq!(one.view("a"), two.view("a"));
    /// assert_ne!(two.view("a"), two.view("b"));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "reset_parameters")]
    pub fn initialize(specs: impl IntoIterator<Item = ParameterSpec>, seed: u64) -> Result<Parameters, ParameterError> {
        let specs: Vec<ParameterSpec> = specs.into_iter().collect();
        let layout = Layout::new(specs.iter().map(|spec| (spec.name.as_str(), spec.dtype, spec.shape.clone())))?;
        let buffers = Buffers::try_zeros(layout.into());
        let mut buffers = buffers.map_err(|bytes| ParameterError::OutOfMemory { bytes })?;
        for spec in &specs {
            initialize::fill(&mut buffers, spec, seed)?;
        }
        Ok(buffers.into())
    }

    /// With this state.
    #[must_use]
    pub fn with_state(self, state: State) -> Parameters {
        Parameters { state, ..self }
    }

    /// What no gradient moves.
    #[doc(alias("buffers", "batch_stats"))]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What no gradient moves, to write.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// A copy with these arrays in place of those of their names.
    ///
    /// # Errors
    /// An array is none of these parameters.
    pub(crate) fn with_arrays<'b>(
        &self,
        arrays: impl IntoIterator<Item = &'b Buffers>,
    ) -> Result<Parameters, ParameterError> {
        let mut replaced = self.clone();
        for (name, array) in arrays.into_iter().flat_map(Buffers::iter) {
            replaced.set(name, array)?;
        }
        Ok(replaced)
    }

    /// With a state drawn from these specs.
    pub(crate) fn with_initial_state(self, specs: &[ParameterSpec], seed: u64) -> Result<Parameters, ParameterError> {
        Ok(self.with_state(State::initialize(specs, seed)?))
    }
}

impl From<Buffers> for Parameters {
    /// Without a state.
    fn from(learned: Buffers) -> Parameters {
        Parameters { learned, state: State::default() }
    }
}

impl Gradients {
    /// All zero, in `layout`.
    pub fn zeros(layout: impl Into<Arc<Layout>>) -> Gradients {
        Gradients(Buffers::zeros(layout))
    }

    /// [`Gradients::zeros`], or how many bytes of memory cannot be had.
    pub(crate) fn try_zeros(layout: Arc<Layout>) -> Result<Gradients, usize> {
        Buffers::try_zeros(layout).map(Gradients)
    }
}

macro_rules! deref_to_buffers {
    ($type:ty, $buffers:tt) => {
        impl Deref for $type {
            type Target = Buffers;
            fn deref(&self) -> &Buffers {
                &self.$buffers
            }
        }

        impl DerefMut for $type {
            fn deref_mut(&mut self) -> &mut Buffers {
                &mut self.$buffers
            }
        }
    };
}
deref_to_buffers!(Parameters, learned);
deref_to_buffers!(Gradients, 0);
