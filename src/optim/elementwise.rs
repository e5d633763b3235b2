//! The one shape of a step. In: a rule for one element, flat parameters, gradients and what the rule remembers. Out: both
//! moved, in one pass over memory, on all threads if there is much. What the rule is, each rule's file says.

use super::{
    OptimizerError,
    alignment::{Alignment, Run},
    error::check_made,
    ranges::{self, Ranges},
    rule::{Update, UpdateArrays},
};
use crate::{
    parameters::{Buffers, FloatElement, Parameters},
    vectorize::Loop,
};

/// A step, as what becomes of one parameter θ with gradient g and `N` remembered numbers: elements know nothing of each
/// other, so a step can be cut anywhere.
///
/// The rule itself holds the numbers of the present step, in f64. Rounded to `T` in `update` they are constants of the
/// loop, and the compiler takes their conversion out of it.
pub(super) trait Elementwise<const N: usize, const K: usize>: Copy + Send + Sync {
    /// The numbers of the step, and what an error calls them. They are converted to the dtype of an array here alone; those
    /// that hyperparameters make, once they are known to be finite in any.
    fn numbers(&self) -> [(&'static str, f64); K];

    /// The next parameter, and what is remembered. It must be `#[inline(always)]`.
    fn update<T: FloatElement>(numbers: [T; K], theta: T, g: T, memory: [T; N]) -> (T, [T; N]);
}

/// The level of a rule by element.
pub(super) struct ByElement<R, const K: usize>(pub(super) R);

impl<R: Elementwise<N, K>, const N: usize, const K: usize> Update<N> for ByElement<R, K> {
    fn check(&self) -> Result<(), OptimizerError> {
        check_numbers(&self.0)
    }

    fn apply(self, arrays: UpdateArrays<'_, N>) {
        let UpdateArrays { alignment, parameters, gradients, kept, .. } = arrays;
        descend(self.0, alignment, parameters, gradients, kept);
    }
}

/// Checks that the numbers of a rule are finite in every dtype.
pub(super) fn check_numbers<const N: usize, const K: usize>(
    rule: &impl Elementwise<N, K>,
) -> Result<(), OptimizerError> {
    rule.numbers().into_iter().try_for_each(|(name, number)| check_made(name, number))
}

/// Takes the step of all elements that are aligned, one pass for each dtype.
pub(super) fn descend<const N: usize, const K: usize>(
    rule: impl Elementwise<N, K>,
    alignment: &Alignment,
    parameters: &mut Parameters,
    gradients: &Buffers,
    kept: &mut [Buffers; N],
) {
    let f32s = kept.each_mut().map(|buffers| buffers.elements_mut::<f32>());
    descend_runs(
        alignment.runs::<f32>(),
        RangeUpdate::new(rule, parameters.elements_mut(), gradients.elements(), f32s),
    );
    let f64s = kept.each_mut().map(|buffers| buffers.elements_mut::<f64>());
    descend_runs(
        alignment.runs::<f64>(),
        RangeUpdate::new(rule, parameters.elements_mut(), gradients.elements(), f64s),
    );
}

/// Takes the step of these elements, in one pass, on all threads if there are many. What overflows, overflows.
pub(super) fn descend_slices<T: FloatElement, const N: usize, const K: usize>(
    rule: impl Elementwise<N, K>,
    parameters: &mut [T],
    gradients: &[T],
    kept: [&mut [T]; N],
) {
    ranges::run(RangeUpdate::new(rule, parameters, gradients, kept));
}

/// Takes the step of some runs of the whole buffers.
fn descend_runs<R: Elementwise<N, K>, T: FloatElement, const N: usize, const K: usize>(
    runs: &[Run],
    whole: RangeUpdate<'_, R, T, N, K>,
) {
    let n_elements = runs.iter().map(|run| run.n_elements).sum();
    let (mut rest, mut parameters, mut gradients) = (Some(whole), 0, 0);
    let updates = runs.iter().map(|run| {
        let skipped = rest.take().expect("invariant: it is put back below");
        let skipped = skipped.skip(run.parameters - parameters, run.gradients - gradients);
        let (update, others) = skipped.split_at(run.n_elements);
        (parameters, gradients) = (run.parameters + run.n_elements, run.gradients + run.n_elements);
        rest = Some(others);
        update
    });
    ranges::run_each(updates, n_elements);
}

/// The step of one range of the flat buffers: any cut into ranges gives the same.
struct RangeUpdate<'a, R, T, const N: usize, const K: usize> {
    rule: R,
    numbers: [T; K],
    parameters: &'a mut [T],
    gradients: &'a [T],
    kept: [&'a mut [T]; N],
}

impl<'a, R: Elementwise<N, K>, T: FloatElement, const N: usize, const K: usize> RangeUpdate<'a, R, T, N, K> {
    fn new(rule: R, parameters: &'a mut [T], gradients: &'a [T], kept: [&'a mut [T]; N]) -> Self {
        let numbers = rule.numbers().map(|(_, number)| T::from_f64(number));
        RangeUpdate { rule, numbers, parameters, gradients, kept }
    }

    /// The same without the first so many parameters and gradients, of which nothing is kept.
    fn skip(self, n_parameters: usize, n_gradients: usize) -> Self {
        let (parameters, gradients) = (&mut self.parameters[n_parameters..], &self.gradients[n_gradients..]);
        RangeUpdate { parameters, gradients, ..self }
    }
}

impl<R: Elementwise<N, K>, T: FloatElement, const N: usize, const K: usize> Ranges for RangeUpdate<'_, R, T, N, K> {
    const BYTES: usize = size_of::<T>();

    fn n_elements(&self) -> usize {
        self.parameters.len()
    }

    fn split_at(self, n: usize) -> (Self, Self) {
        let (rule, numbers) = (self.rule, self.numbers);
        let (parameters, other_parameters) = self.parameters.split_at_mut(n);
        let (gradients, other_gradients) = self.gradients.split_at(n);
        let mut others = [const { None }; N];
        let mut position = 0..N;
        let kept = self.kept.map(|buffer| {
            let (first, other) = buffer.split_at_mut(n);
            others[position.next().expect("invariant: one position for each buffer")] = Some(other);
            first
        });
        let other_kept = others.map(|other| other.expect("invariant: each position was filled"));
        let others =
            RangeUpdate { rule, numbers, parameters: other_parameters, gradients: other_gradients, kept: other_kept };
        (RangeUpdate { rule, numbers, parameters, gradients, kept }, others)
    }
}

impl<R: Elementwise<N, K>, T: FloatElement, const N: usize, const K: usize> Loop for RangeUpdate<'_, R, T, N, K> {
    #[inline(always)]
    fn run(self) {
        let numbers = self.numbers;
        let n = self.parameters.len();
        // Slices of one length, so that the compiler sees that no index is out of bounds.
        let (parameters, gradients) = (&mut self.parameters[..n], &self.gradients[..n]);
        let kept = self.kept.map(|buffer| &mut buffer[..n]);
        for i in 0..n {
            let remembered = std::array::from_fn(|position| kept[position][i]);
            let (theta, remembered) = R::update(numbers, parameters[i], gradients[i], remembered);
            parameters[i] = theta;
            for position in 0..N {
                kept[position][i] = remembered[position];
            }
        }
    }
}

/// The larger of two numbers, NaN if one is.
#[inline(always)]
pub(super) fn larger<T: FloatElement>(left: T, right: T) -> T {
    if left > right || left.is_nan() { left } else { right }
}

/// 1 or −1; zeros and NaN are their own signs.
#[inline(always)]
pub(super) fn sign<T: FloatElement>(number: T) -> T {
    let below_or_own = if number < T::zero() { -T::one() } else { number };
    if number > T::zero() { T::one() } else { below_or_own }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectorize;

    /// A rule that reads and writes all that it may, by operations that vectors and numbers might do otherwise.
    #[derive(Clone, Copy)]
    struct Mix(f64);

    impl Elementwise<2, 1> for Mix {
        fn numbers(&self) -> [(&'static str, f64); 1] {
            [("the factor", self.0)]
        }

        #[inline(always)]
        fn update<T: FloatElement>([factor]: [T; 1], theta: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
            let (m, v) = (factor * m + g, factor * v + g * g);
            (theta - m / (v.sqrt() + factor), [m, v])
        }
    }

    /// What a step makes of parameters and memory: run as a whole in the widest vectors, or range by range in the crate's
    /// own.
    fn stepped(n: usize, ranges: &[usize]) -> [Vec<f32>; 3] {
        let wave = |frequency: f32| (0..n).map(|i| (i as f32 * frequency).sin()).collect::<Vec<f32>>();
        let (mut parameters, gradients, mut means) = (wave(0.1), wave(1.7), wave(0.3));
        let mut squares: Vec<f32> = wave(0.9).iter().map(|x| x * x).collect();
        let kept = [&mut means[..], &mut squares[..]];
        let (rule, numbers) = (Mix(0.9), [0.9]);
        let mut rest = RangeUpdate { rule, numbers, parameters: &mut parameters[..], gradients: &gradients, kept };
        for n in ranges {
            let (first, others) = rest.split_at(*n);
            if ranges.len() > 1 {
                first.run()
            } else {
                vectorize::run(first)
            }
            rest = others;
        }
        assert_eq!(rest.n_elements(), 0, "the ranges are all elements");
        [parameters, means, squares]
    }

    #[test]
    fn any_cut_and_any_width_give_the_same_bits() {
        assert_eq!(stepped(1003, &[1003]), stepped(1003, &[1, 500, 0, 37, 465]));
        assert_ne!(stepped(1003, &[1003])[0][0..2], [0.0, 0.1f32.sin()]);
    }
}
