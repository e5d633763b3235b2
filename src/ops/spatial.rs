//! How a window goes over axes: its steps, its spread and what surrounds the array. In: what the user asks of all axes
//! or of each. Out: one number per axis, the number of places, and whether there is one. Convolution and pooling share
//! it; nothing is built here.

use super::{rule::OpError, slice::check_count};
use crate::graph::{Axes, Dim, GraphError};

/// One number for all the axes that a window goes over, or one for each.
///
/// # Example
/// ```
/// use pullback::PerAxis;
/// assert_eq!(PerAxis::from(2), PerAxis::All(2));
/// assert_eq!(PerAxis::from([2, 3]), PerAxis::Each(vec![2, 3]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PerAxis {
    /// The same for every axis.
    All(usize),
    /// One for each axis, in order.
    Each(Vec<usize>),
}

impl From<usize> for PerAxis {
    fn from(number: usize) -> PerAxis {
        PerAxis::All(number)
    }
}

impl<const N: usize> From<[usize; N]> for PerAxis {
    fn from(numbers: [usize; N]) -> PerAxis {
        PerAxis::Each(numbers.into())
    }
}

impl From<Vec<usize>> for PerAxis {
    fn from(numbers: Vec<usize>) -> PerAxis {
        PerAxis::Each(numbers)
    }
}

impl PerAxis {
    /// One number for each of `rank` axes.
    pub(crate) fn over(&self, what: &'static str, rank: usize) -> Result<Axes, GraphError> {
        match self {
            PerAxis::All(number) => Ok(Axes::from_elem(*number, rank)),
            PerAxis::Each(numbers) => {
                check_count(what, numbers.len(), rank)?;
                Ok(numbers.as_slice().into())
            }
        }
    }

    /// One number for each of `rank` axes, none of them 0.
    pub(crate) fn positive_over(&self, what: &'static str, rank: usize) -> Result<Axes, GraphError> {
        let numbers = self.over(what, rank)?;
        check_positive(what, &numbers)?;
        Ok(numbers)
    }
}

/// What surrounds the array along the axes that a window goes over.
///
/// # Example
/// ```
/// use pullback::{Padding, PerAxis};
/// assert_eq!(Padding::from(1), Padding::Around(PerAxis::All(1)));
/// assert_eq!(Padding::from([1, 2]), Padding::Around(PerAxis::Each(vec![1, 2])));
/// assert_eq!(Padding::from([(0, 1), (2, 2)]), Padding::Sides(vec![(0, 1), (2, 2)]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Padding {
    /// Nothing: the window stays within the array.
    #[default]
    Valid,
    /// As much as makes ⌈size / stride⌉ places; where that is odd, one more after than before.
    Same,
    /// As much before as after.
    Around(PerAxis),
    /// Before and after, for each axis.
    Sides(Vec<(usize, usize)>),
}

impl<const N: usize> From<[(usize, usize); N]> for Padding {
    fn from(sides: [(usize, usize); N]) -> Padding {
        Padding::Sides(sides.into())
    }
}

impl From<usize> for Padding {
    fn from(number: usize) -> Padding {
        Padding::Around(PerAxis::All(number))
    }
}

impl<const N: usize> From<[usize; N]> for Padding {
    fn from(numbers: [usize; N]) -> Padding {
        Padding::Around(PerAxis::Each(numbers.into()))
    }
}

/// Along one axis: the array's extent, the window's, and the step.
pub(super) struct Span {
    pub(super) whole: Dim,
    pub(super) window: Dim,
    pub(super) stride: usize,
}

impl Padding {
    /// Padding before and after along each axis.
    pub(super) fn over(&self, spans: &[Span]) -> Result<(Axes, Axes), GraphError> {
        match self {
            Padding::Valid => Ok((Axes::from_elem(0, spans.len()), Axes::from_elem(0, spans.len()))),
            Padding::Around(padding) => {
                let surrounding = padding.over("padding", spans.len())?;
                Ok((surrounding.clone(), surrounding))
            }
            Padding::Sides(sides) => {
                check_count("padding", sides.len(), spans.len())?;
                Ok(sides.iter().copied().unzip())
            }
            Padding::Same => spans.iter().map(Span::same).collect(),
        }
    }
}

impl Span {
    /// Padding that gives ⌈whole / stride⌉ places.
    fn same(&self) -> Result<(usize, usize), GraphError> {
        let Span { whole, window, stride } = self;
        let step = step(*stride);
        let symbolic = || GraphError::SymbolicStride { stride: *stride, size: whole.clone() };
        let places = (whole.clone() + (step - 1)).floor_div(step).ok_or_else(symbolic)?;
        let padding = (places - 1) * step + window - whole;
        let Some(number) = padding.as_number() else {
            return Err(GraphError::Symbolic { what: "the padding", found: padding });
        };
        let number = usize::try_from(number).unwrap_or(0);
        Ok((number / 2, number - number / 2))
    }

    /// ⌊(whole − window) / stride⌋ + 1, the number of places of the window.
    pub(super) fn places(&self) -> Result<Dim, GraphError> {
        let room = self.whole.clone() - &self.window;
        match room.floor_div(step(self.stride)) {
            Some(steps) => Ok(steps + 1),
            None => Err(GraphError::SymbolicStride { stride: self.stride, size: room }),
        }
    }

    /// That the window has a place, as far as that is known.
    pub(super) fn check_room(&self, axis: usize) -> Result<(), GraphError> {
        match (self.whole.as_number(), self.window.as_number()) {
            (Some(whole), Some(window)) if whole < window => {
                Err(GraphError::WindowTooLarge { axis, window: self.window.clone(), size: self.whole.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// A stride as it divides sizes. One beyond `i64` is beyond every array, and the primitive refuses it.
fn step(stride: usize) -> i64 {
    i64::try_from(stride).unwrap_or(i64::MAX)
}

/// How a window goes along one axis, in numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowDims {
    pub(super) axis: usize,
    /// Elements of the array and their distance.
    pub(super) size: usize,
    pub(super) spread: usize,
    /// Elements of the window and their distance.
    pub(super) taps: usize,
    pub(super) dilation: usize,
    pub(super) stride: usize,
    pub(super) low: i64,
    pub(super) high: i64,
}

/// Why a window does not go over an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowError {
    /// It has no place along an axis.
    TooLarge { axis: usize, window: usize, size: usize },
    /// What is padding or between elements is too much.
    MostlyZeros { positions: u64, elements: u64 },
}

impl From<WindowError> for OpError {
    fn from(misfit: WindowError) -> OpError {
        match misfit {
            WindowError::TooLarge { axis, window, size } => OpError::Window { axis, window, size },
            WindowError::MostlyZeros { positions, elements } => OpError::MostlyZeros { positions, elements },
        }
    }
}

impl From<WindowError> for GraphError {
    fn from(misfit: WindowError) -> GraphError {
        match misfit {
            WindowError::TooLarge { axis, window, size } => {
                GraphError::WindowTooLarge { axis, window: Dim::from(window), size: Dim::from(size) }
            }
            WindowError::MostlyZeros { positions, elements } => GraphError::MostlyZeros { positions, elements },
        }
    }
}

/// From the first of `count` elements to the last. Of numbers that an operation takes, far within `i128`.
fn reach(count: usize, distance: usize) -> i128 {
    if count == 0 { 0 } else { (count as i128 - 1) * distance as i128 + 1 }
}

fn clamped(number: i128) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}

impl WindowDims {
    /// How many places the window has.
    fn places(&self) -> Result<i128, WindowError> {
        let whole = reach(self.size, self.spread) + i128::from(self.low) + i128::from(self.high);
        let window = reach(self.taps, self.dilation);
        if self.size == 0 || self.taps == 0 || whole < window {
            // Of nothing, padding makes no array.
            let (axis, size) = (self.axis, if self.size == 0 { 0 } else { clamped(whole) });
            return Err(WindowError::TooLarge { axis, window: clamped(window), size });
        }
        Ok((whole - window) / self.stride as i128 + 1)
    }
}

/// Positions that cost nothing to speak of, whatever is there.
const FEW_POSITIONS: u64 = 1 << 20;

/// Zeros for each element that a user may have meant.
const MAX_POSITIONS_FOR_ELEMENT: u64 = 64;

/// That a window has a place along every axis, and that the array, the window and its places do not reach so much further
/// than their elements that kernels, which walk over what is padding or between elements, would not come back. `taps`
/// says whether the elements of the window are data.
///
/// Both transposes of a convolution, and that of a sum over windows, only permute array, window and places, so they fit
/// if it does.
pub(super) fn check_fit(ways: impl Iterator<Item = WindowDims>, taps: Taps) -> Result<(), WindowError> {
    let (mut positions, mut elements, mut taps_of_all, mut places_of_all) = (1u64, 1u64, 1u64, 1u64);
    let times = |product: &mut u64, factor: i128| {
        *product = product.saturating_mul(u64::try_from(factor).unwrap_or(u64::MAX));
    };
    for way in ways {
        let places = way.places()?;
        let furthest = reach(way.size, way.spread).max(reach(way.taps, way.dilation));
        times(&mut positions, furthest.max((places - 1) * way.stride as i128 + 1));
        times(&mut elements, way.size as i128);
        times(&mut taps_of_all, way.taps as i128);
        times(&mut places_of_all, places);
    }
    let taps = if taps == Taps::Data { taps_of_all } else { 0 };
    let elements = elements.saturating_add(places_of_all).saturating_add(taps);
    if positions > FEW_POSITIONS && positions / MAX_POSITIONS_FOR_ELEMENT > elements {
        return Err(WindowError::MostlyZeros { positions, elements });
    }
    Ok(())
}

/// What the elements of a window are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taps {
    /// Nothing but where it looks.
    Places,
    /// Those of a kernel.
    Data,
}

/// (size − 1)·dilation + 1: the extent of elements that are `dilation` apart; 0 for none.
pub(super) fn extent(size: &Dim, dilation: usize) -> Dim {
    if size.is(0) { Dim::from(0) } else { (size.clone() - 1) * Dim::from(dilation) + 1 }
}

/// That no entry is 0.
pub(super) fn check_positive(what: &'static str, numbers: &[usize]) -> Result<(), GraphError> {
    if numbers.contains(&0) { Err(GraphError::NotPositive { what, found: Dim::from(0) }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(whole: impl Into<Dim>, window: i64, stride: usize) -> Result<(usize, usize), GraphError> {
        Span { whole: whole.into(), window: Dim::from(window), stride }.same()
    }

    #[test]
    fn same_padding_gives_as_many_places_as_strides_fit() {
        assert_eq!(same(5, 3, 1), Ok((1, 1)));
        assert_eq!(same(5, 2, 1), Ok((0, 1)));
        assert_eq!(same(6, 3, 2), Ok((0, 1)));
        assert_eq!(same(4, 1, 2), Ok((0, 0)));
        assert_eq!(same("time", 3, 1), Ok((1, 1)));
        assert_eq!(same(Dim::symbol("time") * 2, 3, 2), Ok((0, 1)));
        assert!(matches!(same("time", 3, 2), Err(GraphError::SymbolicStride { .. })));
    }

    #[test]
    fn places_round_down() {
        let places = |whole: i64, window: i64, stride| {
            Span { whole: Dim::from(whole), window: Dim::from(window), stride }.places().unwrap().as_number().unwrap()
        };
        assert_eq!([places(5, 3, 1), places(6, 3, 2), places(2, 3, 2), places(0, 1, 1)], [3, 2, 0, 0]);
    }
}
