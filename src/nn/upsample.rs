//! Spatial axes with more places, or fewer: by the nearest element, or by weights of the two nearest along each axis. In:
//! an array. Out: broadcasts where each element is repeated alike, else gathers, weighted where two are read.

use super::check::{check_places, either};
use crate::{
    graph::{DType, Dim, Expr, GraphError},
    numbers::short,
    ops::PerAxis,
};

/// Whole numbers from here on are not told from their neighbours.
const MAX_WHOLE: f64 = (1u64 << f64::MANTISSA_DIGITS) as f64;

/// How large the spatial axes become: a number holds for all of them, an array has one for each. A number alone is a factor.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::Upsample};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 8, 10, 10));
/// assert_eq!(x.upsample_nearest(2).shape().to_string(), "[batch, 8, 20, 20]");
/// assert_eq!(x.upsample_nearest([1, 3]).shape().to_string(), "[batch, 8, 10, 30]");
/// assert_eq!(x.upsample_nearest(Upsample::by_fraction(1.25)).shape().to_string(), "[batch, 8, 12, 12]");
/// assert_eq!(x.upsample_nearest(Upsample::to([16, 15])).shape().to_string(), "[batch, 8, 16, 15]");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Upsample(NewSize);

#[derive(Debug, Clone, PartialEq)]
enum NewSize {
    Factors(PerAxis),
    Factor(f64),
    Sizes(PerAxis),
}

impl Upsample {
    /// Sizes times a whole number.
    pub fn by(factor: impl Into<PerAxis>) -> Upsample {
        Upsample(NewSize::Factors(factor.into()))
    }

    /// Sizes times any positive number, rounded down, along all axes alike. The places are 1/factor apart.
    pub fn by_fraction(factor: f64) -> Upsample {
        if factor.fract() == 0.0 && (1.0..MAX_WHOLE).contains(&factor) {
            return Upsample::by(factor as usize);
        }
        Upsample(NewSize::Factor(factor))
    }

    /// These sizes, whatever those of the array are. They may be smaller.
    pub fn to(sizes: impl Into<PerAxis>) -> Upsample {
        Upsample(NewSize::Sizes(sizes.into()))
    }
}

impl From<usize> for Upsample {
    fn from(factor: usize) -> Upsample {
        Upsample::by(factor)
    }
}

impl<const N: usize> From<[usize; N]> for Upsample {
    fn from(factors: [usize; N]) -> Upsample {
        Upsample::by(factors)
    }
}

/// What is laid over what where an axis gets another number of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// The ends: element i is a square, and the outer edges of the squares coincide (PyTorch's `align_corners=False`).
    Edges,
    /// The middles of the first elements, and of the last (PyTorch's `align_corners=True`).
    Corners,
}

/// How one axis is resampled.
#[derive(Clone)]
struct Sampling {
    axis: usize,
    size: Dim,
    n_places: Dim,
    step: Step,
}

/// The distance of two places, in elements.
#[derive(Clone, Copy)]
enum Step {
    /// 1/k.
    Repeat(usize),
    /// 1/factor.
    Factor(f64),
    /// Size by size.
    Sizes,
}

impl NewSize {
    /// For each axis its step, and how many places it gets.
    fn steps(&self, sizes: &[Dim]) -> Result<Vec<(Step, Dim)>, GraphError> {
        let both = |numbers: &PerAxis, what, step: &dyn Fn(&Dim, usize) -> (Step, Dim)| {
            let numbers = numbers.positive_over(what, sizes.len())?;
            Ok(sizes.iter().zip(numbers).map(|(size, number)| step(size, number)).collect())
        };
        match self {
            NewSize::Factors(factors) => {
                both(factors, "a factor", &|size, factor| (Step::Repeat(factor), size.clone() * Dim::from(factor)))
            }
            NewSize::Sizes(places) => {
                both(places, "a size of the result", &|size, n_places| (step_to(size, n_places), Dim::from(n_places)))
            }
            NewSize::Factor(factor) => {
                sizes.iter().map(|size| Ok((Step::Factor(*factor), times(size, *factor)?))).collect()
            }
        }
    }
}

impl Sampling {
    /// # Errors
    /// There is no element, no place, or the size is a symbol where the places depend on its number.
    fn new(axis: usize, size: &Dim, step: Step, n_places: Dim) -> Result<Sampling, GraphError> {
        let is_known = size.as_number().is_some() || matches!(step, Step::Repeat(_));
        if !is_known {
            return Err(GraphError::Symbolic { what: "a spatial size", found: size.clone() });
        }
        if size.is(0) {
            return Err(GraphError::NotPositive { what: "a spatial size", found: size.clone() });
        }
        check_places(&n_places)?;
        Ok(Sampling { axis, size: size.clone(), n_places, step })
    }
}

impl<'g> Expr<'g> {
    /// More places along the spatial axes, each with the value of the nearest element before it: place i of m over n
    /// elements is element ⌊i·n/m⌋, and ⌊i/factor⌋ where a factor is given. A whole factor repeats each element.
    ///
    /// JAX reads element ⌊(i + ½)·n/m⌋, as `nearest-exact` of PyTorch does; for whole factors they are the same.
    ///
    /// # Shapes
    /// x: `[batch, channels, spatial…]` → `[batch, channels, places…]`. Spatial sizes may be symbols where a factor is whole.
    ///
    /// # Errors
    /// An error is recorded if x has fewer than three axes, if a size or factor is not positive, or if a spatial size is a
    /// symbol and the factor is no whole number.
    ///
    /// # Complexity
    /// Nothing but reading each element several times for whole factors, else one copy for each axis.
    ///
    /// # Source
    /// PyTorch, `torch.nn.functional.interpolate`, `mode="nearest"`.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let mut program = g.compile(g.input("x", (1, 1, "n")).upsample_nearest(2))?;
    /// let out = program.call(("x", &array![[[1f32, 5.0]]]))?;
    /// assert_eq!(out["result"], array![[[1f32, 1.0, 5.0, 5.0]]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("interpolate", "resize", "unpool"))]
    #[track_caller]
    pub fn upsample_nearest(self, size: impl Into<Upsample>) -> Expr<'g> {
        let _frame = self.enter("upsample_nearest");
        let build = |samplings: Vec<Sampling>| {
            let nearest = |value: Expr<'g>, sampling: &Sampling| {
                let place = self.graph().iota(DType::I64, (sampling.n_places.clone(),), 0);
                let position = match sampling.step {
                    Step::Repeat(_) => return value,
                    Step::Factor(factor) => self.last_at_most(sampling, (place.cast(DType::F64) / factor).floor()),
                    Step::Sizes => place * self.size_of(sampling, DType::I64) / self.places_of(sampling, DType::I64),
                };
                value.gather(position, sampling.axis as i64)
            };
            // One size that is too large is one mistake, whatever is built on it.
            let nearest =
                |value: Expr<'g>, sampling| if value.is_poisoned() { value } else { nearest(value, sampling) };
            samplings.iter().rev().fold(self, nearest).repeated(&samplings)
        };
        either(self.samplings(&size.into()).map(build))
    }

    /// More places along the spatial axes, each with the weighted mean of the two elements that it lies between along each
    /// axis: linear for one spatial axis, bilinear for two, trilinear for three. Beyond the middle of the first and last
    /// element the value is theirs. Nothing is averaged where places become fewer: pool before.
    ///
    /// Place i of m over n elements lies at p = (i + ½)·n/m − ½ ([`Align::Edges`]; 1/factor in place of n/m where a factor
    /// is given), or p = i·(n − 1)/(m − 1) ([`Align::Corners`]), and y\[i\] = (1 − w)·x\[⌊p⌋\] + w·x\[⌈p⌉\] with
    /// w = p − ⌊p⌋.
    ///
    /// # Shapes
    /// x: `[batch, channels, spatial…]` → `[batch, channels, places…]`. Spatial sizes may be symbols where a factor is whole.
    ///
    /// # Errors
    /// As for [`Expr::upsample_nearest`]; also if x is no float.
    ///
    /// # Complexity
    /// Two gathers for each axis; the derivative scatters.
    ///
    /// # Source
    /// PyTorch, `torch.nn.functional.interpolate`, `mode="bilinear"`.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{Graph, nn::Align};
    /// let g = Graph::new();
    /// let x = g.input("x", (1, 1, 2));
    /// let mut program = g.compile([("edges", x.upsample_linear(2, Align::Edges)), ("corners", x.upsample_linear(2, Align::Corners))])?;
    /// let out = program.call(("x", &array![[[0f32, 3.0]]]))?;
    /// assert_eq!(out["edges"], array![[[0f32, 0.75, 2.25, 3.0]]].into());
    /// assert_eq!(out["corners"], array![[[0f32, 1.0, 2.0, 3.0]]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("bilinear", "upsample_bilinear", "trilinear", "interpolate", "resize"))]
    #[track_caller]
    pub fn upsample_linear(self, size: impl Into<Upsample>, align: Align) -> Expr<'g> {
        let _frame = self.enter("upsample_linear");
        let build = |samplings: Vec<Sampling>| {
            // The last axis first: gathers along it move single elements, and these are fewest before the others grow.
            samplings.iter().rev().fold(self, |value, sampling| self.interpolated(value, sampling, align))
        };
        either(self.check_float().and_then(|()| self.samplings(&size.into())).map(build))
    }

    fn samplings(self, Upsample(target): &Upsample) -> Result<Vec<Sampling>, Expr<'g>> {
        self.spatial_axes()?;
        let shape = self.shape();
        let sampling = |(axis, (step, n_places))| Sampling::new(axis, &shape[axis], step, n_places);
        let samplings: Result<Vec<Sampling>, GraphError> =
            target.steps(&shape[2..]).and_then(|steps| (2..).zip(steps).map(sampling).collect());
        samplings.map_err(|error| self.graph().report(error, &[self]))
    }

    /// Each element as often as whole factors say: a broadcast between two reshapes, which nothing copies for.
    fn repeated(self, samplings: &[Sampling]) -> Expr<'g> {
        if self.is_poisoned() {
            return self;
        }
        let shape = self.shape();
        let outer = shape[..2].to_vec();
        let (mut with_ones, mut stretched, mut merged) = (outer.clone(), outer.clone(), outer);
        for (size, sampling) in shape[2..].iter().zip(samplings) {
            with_ones.push(size.clone());
            stretched.push(size.clone());
            merged.push(sampling.n_places.clone());
            if let Step::Repeat(factor @ 2..) = sampling.step {
                with_ones.push(Dim::from(1));
                stretched.push(Dim::from(factor));
            }
        }
        self.reshape(with_ones).broadcast_to(stretched).reshape(merged)
    }

    /// `value` with one axis resampled by the two nearest.
    ///
    /// By gathers, since a product with a constant matrix is slower even where it is small (doubling images of 8×8 in f32: 10 ns
    /// for each element of the result against 7, of 224×224: 215 against 5), and slices joined by concatenations take as
    /// long forwards and half as long again backwards.
    fn interpolated(self, value: Expr<'g>, sampling: &Sampling, align: Align) -> Expr<'g> {
        if value.is_poisoned() || matches!(sampling.step, Step::Repeat(1)) {
            return value;
        }
        let position = self.position(sampling, align);
        let (before, after) = (position.floor(), position.ceil());
        // A place on an element reads it twice, by halves: 0 times its neighbour would be NaN where that is infinite.
        let weight = before.equal(after).select(0.5, position - before).cast(self.dtype());
        let n_behind = self.rank() - 1 - sampling.axis;
        let weight = (0..n_behind).fold(weight, |weight, _| weight.unsqueeze(-1));
        let read = |position| value.gather(self.last_at_most(sampling, position), sampling.axis as i64);
        read(before) * (1.0 - weight) + read(after) * weight
    }

    /// Where each place lies, in elements: `f64[places]`.
    fn position(self, sampling: &Sampling, align: Align) -> Expr<'g> {
        let place = self.graph().iota(DType::F64, (sampling.n_places.clone(),), 0);
        if align == Align::Corners {
            let (size, n_places) = (self.size_of(sampling, DType::F64), self.places_of(sampling, DType::F64));
            // Multiplied first, so that the last place is the last element to the bit.
            return place * (size - 1.0) / (n_places - 1.0).maximum(1.0);
        }
        let middle = place + 0.5;
        let scaled = match sampling.step {
            Step::Repeat(factor) => middle / factor as f64,
            Step::Factor(factor) => middle / factor,
            Step::Sizes => middle * self.size_of(sampling, DType::F64) / self.places_of(sampling, DType::F64),
        };
        (scaled - 0.5).maximum(0.0)
    }

    /// Whole numbers as positions, none beyond the last element.
    fn last_at_most(self, sampling: &Sampling, position: Expr<'g>) -> Expr<'g> {
        position.cast(DType::I64).minimum(self.size_of(sampling, DType::I64) - 1)
    }

    fn size_of(self, sampling: &Sampling, dtype: DType) -> Expr<'g> {
        self.graph().dim_size(sampling.size.clone(), dtype)
    }

    fn places_of(self, sampling: &Sampling, dtype: DType) -> Expr<'g> {
        self.graph().dim_size(sampling.n_places.clone(), dtype)
    }
}

/// A whole factor if there is one: what repeats is read by strides.
fn step_to(size: &Dim, n_places: usize) -> Step {
    match size.as_number().map(usize::try_from) {
        Some(Ok(size)) if size > 0 && n_places.is_multiple_of(size) => Step::Repeat(n_places / size),
        _ => Step::Sizes,
    }
}

/// ⌊size·factor⌋.
fn times(size: &Dim, factor: f64) -> Result<Dim, GraphError> {
    if !(factor > 0.0 && factor.is_finite()) {
        let found = short(factor).to_string();
        return Err(GraphError::OutOfRange { what: "the factor", expected: "positive and finite", found });
    }
    let Some(size) = size.as_number() else {
        return Err(GraphError::Symbolic { what: "a spatial size", found: size.clone() });
    };
    // One beyond `i64` becomes its end, which is refused as too large.
    Ok(Dim::from((size as f64 * factor).floor() as i64))
}
