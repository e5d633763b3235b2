//! The one shape of a step. In: a rule for one element, flat parameters, gradients and what the rule remembers. Out: both
//! moved, in one pass over memory, on all threads if there is much. What the rule is, each rule's file says.

use super::{
    OptimizerError,
    error::is_finite_in_f32,
    ranges::{self, Ranges},
};
use crate::{
    parameters::{Buffers, Parameters, Real},
    vectorize::Loop,
};

/// A step, as what becomes of one parameter θ with gradient g and `N` remembered numbers: elements know nothing of each
/// other, so a step can be cut anywhere.
///
/// The rule itself holds the numbers of the present step, in f64. Rounded to `T` in `update` they are constants of the
/// loop, and the compiler takes their conversion out of it.
pub(super) trait Elementwise<const N: usize, const K: usize>: Copy + Send + Sync {
    /// The numbers of the step, and what an error calls them. They are converted to the dtype of an array here alone, once
    /// they are known to be finite in any.
    fn numbers(&self) -> [(&'static str, f64); K];

    /// The next parameter, and what is remembered. It must be `#[inline(always)]`.
    fn update<T: Real>(numbers: [T; K], theta: T, g: T, memory: [T; N]) -> (T, [T; N]);
}

/// A rule whose numbers are finite in every dtype that parameters may have.
#[derive(Clone, Copy)]
pub(super) struct Checked<R>(R);

impl<R> Checked<R> {
    /// The rule, if they are.
    ///
    /// # Errors
    /// The first number that is not.
    pub(super) fn new<const N: usize, const K: usize>(rule: R) -> Result<Checked<R>, OptimizerError>
    where
        R: Elementwise<N, K>,
    {
        match rule.numbers().into_iter().find(|(_, number)| !is_finite_in_f32(*number)) {
            Some((name, value)) => Err(OptimizerError::Overflow { name, value }),
            None => Ok(Checked(rule)),
        }
    }
}

/// Takes the step of all elements.
pub(super) fn descend<const N: usize, const K: usize>(
    Checked(rule): Checked<impl Elementwise<N, K>>,
    parameters: &mut Parameters,
    gradients: &Buffers,
    memory: &mut [Buffers; N],
) {
    descend_in::<f32, N, K>(rule, parameters, gradients, memory);
    descend_in::<f64, N, K>(rule, parameters, gradients, memory);
}

/// One pass over the elements of one dtype.
fn descend_in<T: Real, const N: usize, const K: usize>(
    rule: impl Elementwise<N, K>,
    parameters: &mut Parameters,
    gradients: &Buffers,
    memory: &mut [Buffers; N],
) {
    ranges::run(Update {
        rule,
        numbers: rule.numbers().map(|(_, number)| T::from_f64(number)),
        parameters: parameters.flat_mut::<T>(),
        gradients: gradients.flat::<T>(),
        memory: memory.each_mut().map(|buffers| buffers.flat_mut::<T>()),
    });
}

/// The step of one range of the flat buffers: any cut into ranges gives the same.
struct Update<'a, R, T, const N: usize, const K: usize> {
    rule: R,
    numbers: [T; K],
    parameters: &'a mut [T],
    gradients: &'a [T],
    memory: [&'a mut [T]; N],
}

impl<R: Elementwise<N, K>, T: Real, const N: usize, const K: usize> Ranges for Update<'_, R, T, N, K> {
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
        let memory = self.memory.map(|buffer| {
            let (first, other) = buffer.split_at_mut(n);
            others[position.next().expect("invariant: one position for each buffer")] = Some(other);
            first
        });
        let other_memory = others.map(|other| other.expect("invariant: each position was filled"));
        let others =
            Update { rule, numbers, parameters: other_parameters, gradients: other_gradients, memory: other_memory };
        (Update { rule, numbers, parameters, gradients, memory }, others)
    }
}

impl<R: Elementwise<N, K>, T: Real, const N: usize, const K: usize> Loop for Update<'_, R, T, N, K> {
    #[inline(always)]
    fn run(self) {
        let numbers = self.numbers;
        let n = self.parameters.len();
        // Slices of one length, so that the compiler sees that no index is out of bounds.
        let (parameters, gradients) = (&mut self.parameters[..n], &self.gradients[..n]);
        let memory = self.memory.map(|buffer| &mut buffer[..n]);
        for i in 0..n {
            let remembered = std::array::from_fn(|position| memory[position][i]);
            let (theta, remembered) = R::update(numbers, parameters[i], gradients[i], remembered);
            parameters[i] = theta;
            for position in 0..N {
                memory[position][i] = remembered[position];
            }
        }
    }
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
        fn update<T: Real>([factor]: [T; 1], theta: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
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
        let memory = [&mut means[..], &mut squares[..]];
        let (rule, numbers) = (Mix(0.9), [0.9]);
        let mut rest = Update { rule, numbers, parameters: &mut parameters[..], gradients: &gradients, memory };
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
