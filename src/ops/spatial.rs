//! How a window goes over axes: its steps, its spread and what surrounds the array. In: what the user asks of all axes
//! or of each. Out: one number per axis, and the number of places. Convolution and pooling share it; nothing is built
//! here.

use super::slice::expect_count;
use crate::graph::{Axes, Dim, Mistake};

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
    pub(super) fn over(&self, what: &'static str, rank: usize) -> Result<Axes, Mistake> {
        match self {
            PerAxis::All(number) => Ok(Axes::from_elem(*number, rank)),
            PerAxis::Each(numbers) => {
                expect_count(what, numbers.len(), rank)?;
                Ok(numbers.as_slice().into())
            }
        }
    }

    /// One number for each of `rank` axes, none of them 0.
    pub(super) fn positive_over(&self, what: &'static str, rank: usize) -> Result<Axes, Mistake> {
        let numbers = self.over(what, rank)?;
        expect_positive(what, &numbers)?;
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
    pub(super) fn over(&self, spans: &[Span]) -> Result<(Axes, Axes), Mistake> {
        match self {
            Padding::Valid => Ok((Axes::from_elem(0, spans.len()), Axes::from_elem(0, spans.len()))),
            Padding::Around(padding) => {
                let around = padding.over("padding", spans.len())?;
                Ok((around.clone(), around))
            }
            Padding::Sides(sides) => {
                expect_count("padding", sides.len(), spans.len())?;
                Ok(sides.iter().copied().unzip())
            }
            Padding::Same => spans.iter().map(Span::same).collect(),
        }
    }
}

impl Span {
    /// Padding that gives ⌈whole / stride⌉ places.
    fn same(&self) -> Result<(usize, usize), Mistake> {
        let Span { whole, window, stride } = self;
        let step = *stride as i64;
        let symbolic = || Mistake::SymbolicStride { stride: *stride, size: whole.clone() };
        let places = (whole.clone() + (step - 1)).floor_div(step).ok_or_else(symbolic)?;
        let padding = (places - 1) * step + window - whole;
        let Some(number) = padding.as_number() else {
            return Err(Mistake::Symbolic { what: "the padding", found: padding });
        };
        let number = usize::try_from(number).unwrap_or(0);
        Ok((number / 2, number - number / 2))
    }

    /// ⌊(whole − window) / stride⌋ + 1, the number of places of the window.
    pub(super) fn places(&self) -> Result<Dim, Mistake> {
        let room = self.whole.clone() - &self.window;
        match room.floor_div(self.stride as i64) {
            Some(steps) => Ok(steps + 1),
            None => Err(Mistake::SymbolicStride { stride: self.stride, size: room }),
        }
    }
}

/// (size − 1)·dilation + 1: the extent of elements that are `dilation` apart; 0 for none.
pub(super) fn extent(size: &Dim, dilation: usize) -> Dim {
    if size.is(0) { Dim::from(0) } else { (size.clone() - 1) * dilation as i64 + 1 }
}

/// The greatest number that divides both.
pub(crate) fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// That no entry is 0.
pub(super) fn expect_positive(what: &'static str, numbers: &[usize]) -> Result<(), Mistake> {
    if numbers.contains(&0) { Err(Mistake::NotPositive { what, found: Dim::from(0) }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(whole: impl Into<Dim>, window: i64, stride: usize) -> Result<(usize, usize), Mistake> {
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
        assert!(matches!(same("time", 3, 2), Err(Mistake::SymbolicStride { .. })));
    }

    #[test]
    fn places_round_down() {
        let places = |whole: i64, window: i64, stride| {
            Span { whole: Dim::from(whole), window: Dim::from(window), stride }.places().unwrap().as_number().unwrap()
        };
        assert_eq!([places(5, 3, 1), places(6, 3, 2), places(2, 3, 2), places(0, 1, 1)], [3, 2, 0, 0]);
    }
}
