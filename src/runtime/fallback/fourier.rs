//! Discrete Fourier transforms of any size, in f64 whatever the dtype. In: pairs of rows, real and imaginary parts. Out: their
//! transforms. A size that is a product of small primes is transformed factor after factor; any other as a convolution, which
//! is two transforms of a power of two. Roots of unity are computed once, when the executable is made.

use std::sync::Arc;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{SliceElement, Wide, as_numbers, each_float},
    partition::Partition,
};
use crate::{
    graph::{Fft, Orientation},
    ops::{OpError, root_of_unity},
};

/// The greatest prime factor whose multiples are not transformed as a convolution.
const MAX_FACTOR: usize = 31;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FourierKernel {
    n_pairs: usize,
    n: usize,
    orientation: Orientation,
    transform: Arc<Transform>,
}

/// The transform of one size.
#[derive(Debug, PartialEq)]
enum Transform {
    Factors(Factors),
    Convolution(Convolution),
}

/// A size as a product.
#[derive(Debug, PartialEq)]
struct Factors {
    n: usize,
    factors: Vec<usize>,
    /// Real and imaginary part of e^(−2πi·k/n).
    roots: Vec<[f64; 2]>,
}

/// With cₖ = e^(−πi·k²/n), and jk = (j² + k² − (k − j)²)/2: Xₖ = cₖ·Σⱼ xⱼ·cⱼ·c̄₍ₖ₋ⱼ₎.
#[derive(Debug, PartialEq)]
struct Convolution {
    chirp: Vec<[f64; 2]>,
    /// A power of two in which the convolution does not wrap around.
    around: Factors,
    /// The transform of c̄, divided by its size.
    filter: Vec<[f64; 2]>,
}

impl FourierKernel {
    pub(super) fn resolve(op: &Fft, place: ResolveContext<'_>) -> FourierKernel {
        let (outer, matrix) = place.operands[0].1.split_at(place.operands[0].1.len() - 2);
        let (n_pairs, n) = (outer.iter().product(), matrix[1]);
        // No roots of a size of which there is no row.
        let transform = Arc::new(Transform::new(if n_pairs == 0 { 0 } else { n }));
        FourierKernel { n_pairs, n, orientation: op.orientation, transform }
    }

    fn transform_all<T: Wide>(&self, pairs: &[T], out: &mut [T], scratch: &mut [u64]) {
        if out.is_empty() {
            return;
        }
        let n = self.n;
        let (values, work) = as_numbers(scratch).split_at_mut(2 * n);
        for (pair, out) in pairs.chunks_exact(2 * n).zip(out.chunks_exact_mut(2 * n)) {
            values.iter_mut().zip(pair).for_each(|(value, x)| *value = x.widened());
            let (real, imaginary) = values.split_at_mut(n);
            // With real and imaginary parts exchanged before and after, i is −i.
            match self.orientation {
                Orientation::Plain => self.transform.run(real, imaginary, work),
                Orientation::Transposed => self.transform.run(imaginary, real, work),
            }
            out.iter_mut().zip(&*values).for_each(|(out, value)| *out = T::rounded(*value));
        }
    }
}

impl FallbackRun for FourierKernel {
    fn partition(&self) -> Partition {
        let n = self.n;
        Partition::new(self.n_pairs, 2 * n, self.transform.work(n))
    }

    fn n_scratch(&self) -> usize {
        if self.n_pairs == 0 { 0 } else { 2 * self.n + self.transform.n_scratch() }
    }

    fn run(&self, KernelPart { units, operands, out, scratch }: KernelPart<'_>) -> Result<(), OpError> {
        let elements = units.start * 2 * self.n..units.end * 2 * self.n;
        each_float!(out, out => self.transform_all(&SliceElement::as_slice(&operands[0])[elements], out, scratch));
        Ok(())
    }
}

impl Transform {
    fn new(n: usize) -> Transform {
        Factors::new(n).map_or_else(|| Transform::Convolution(Convolution::new(n)), Transform::Factors)
    }

    fn n_scratch(&self) -> usize {
        match self {
            Transform::Factors(factors) => 2 * factors.n,
            Transform::Convolution(convolution) => 4 * convolution.around.n,
        }
    }

    fn work(&self, n: usize) -> usize {
        match self {
            Transform::Factors(factors) => 2 * n * factors.factors.iter().sum::<usize>(),
            Transform::Convolution(convolution) => {
                4 * convolution.around.n * convolution.around.factors.iter().sum::<usize>()
            }
        }
    }

    /// Replaces numbers by their transform.
    fn run(&self, real: &mut [f64], imaginary: &mut [f64], scratch: &mut [f64]) {
        match self {
            Transform::Factors(factors) => factors.run(real, imaginary, &mut scratch[..2 * factors.n]),
            Transform::Convolution(convolution) => convolution.run(real, imaginary, scratch),
        }
    }
}

impl Factors {
    /// `None` if a prime factor is large.
    fn new(n: usize) -> Option<Factors> {
        let (mut rest, mut factors) = (n.max(1), Vec::new());
        for factor in std::iter::once(4).chain(2..=MAX_FACTOR) {
            while rest.is_multiple_of(factor) {
                rest /= factor;
                factors.push(factor);
            }
        }
        let roots = |n: usize| (0..n).map(|k| root_of_unity(k, n)).map(|[cosine, sine]| [cosine, -sine]).collect();
        (rest == 1).then(|| Factors { n, factors, roots: roots(n) })
    }

    /// Stockham's algorithm: each factor r splits transforms of m·r numbers into r of m, and puts them where the next reads
    /// them, so that all loops but the first are along rows.
    fn run(&self, real: &mut [f64], imaginary: &mut [f64], scratch: &mut [f64]) {
        let (other_real, other_imaginary) = scratch.split_at_mut(self.n);
        let (mut from, mut to) = ([&mut *real, &mut *imaginary], [other_real, other_imaginary]);
        let mut stride = 1;
        for factor in &self.factors {
            self.split(&from, &mut to, *factor, stride);
            std::mem::swap(&mut from, &mut to);
            stride *= factor;
        }
        if self.factors.len() % 2 == 1 {
            let ([real, imaginary], [found_real, found_imaginary]) = (to, from);
            real.copy_from_slice(found_real);
            imaginary.copy_from_slice(found_imaginary);
        }
    }

    /// y[q + s·(r·p + t)] = Σᵤ x[q + s·(p + m·u)]·ω^(t·(s·p + u·n/r)), with ω = e^(−2πi/n), s the stride, q < s, p < m and t, u < r.
    fn split(&self, from: &[&mut [f64]; 2], to: &mut [&mut [f64]; 2], factor: usize, stride: usize) {
        let (n, m) = (self.n, self.n / factor / stride);
        for (p, t) in (0..m).flat_map(|p| (0..factor).map(move |t| (p, t))) {
            let place = stride * (factor * p + t);
            let [real, imaginary] = to;
            let (real, imaginary) = (&mut real[place..place + stride], &mut imaginary[place..place + stride]);
            for u in 0..factor {
                let [cosine, sine] = self.roots[t * (stride * p + u * (n / factor)) % n];
                let source = stride * (p + m * u);
                let pairs = from[0][source..source + stride].iter().zip(&from[1][source..source + stride]);
                for ((y, z), (x, w)) in real.iter_mut().zip(&mut *imaginary).zip(pairs) {
                    let (of_real, of_imaginary) = (cosine * x - sine * w, cosine * w + sine * x);
                    (*y, *z) = if u == 0 { (of_real, of_imaginary) } else { (*y + of_real, *z + of_imaginary) };
                }
            }
        }
    }
}

impl Convolution {
    fn new(n: usize) -> Convolution {
        let chirp: Vec<[f64; 2]> = (0..n)
            .map(|k| {
                let [cosine, sine] = root_of_unity((k as u128 * k as u128 % (2 * n) as u128) as usize, 2 * n);
                [cosine, -sine]
            })
            .collect();
        let size = (2 * n - 1).next_power_of_two();
        let around = Factors::new(size).expect("invariant: a power of two has no large factor");
        let (mut real, mut imaginary) = (vec![0.0; size], vec![0.0; size]);
        for (k, [cosine, sine]) in chirp.iter().enumerate() {
            for place in [k, (size - k) % size] {
                (real[place], imaginary[place]) = (*cosine, -sine);
            }
        }
        around.run(&mut real, &mut imaginary, &mut vec![0.0; 2 * size]);
        let filter = real.iter().zip(&imaginary).map(|(x, y)| [x / size as f64, y / size as f64]).collect();
        Convolution { chirp, around, filter }
    }

    fn run(&self, real: &mut [f64], imaginary: &mut [f64], scratch: &mut [f64]) {
        let size = self.around.n;
        let (values, scratch) = scratch.split_at_mut(2 * size);
        let (x, y) = values.split_at_mut(size);
        let n = real.len();
        for (k, chirp) in self.chirp.iter().enumerate() {
            (x[k], y[k]) = product([real[k], imaginary[k]], *chirp);
        }
        x[n..].fill(0.0);
        y[n..].fill(0.0);
        self.around.run(x, y, scratch);
        for ((x, y), filter) in x.iter_mut().zip(&mut *y).zip(&self.filter) {
            (*x, *y) = product([*x, *y], *filter);
        }
        // With both exchanged, the inverse.
        self.around.run(y, x, scratch);
        for (k, chirp) in self.chirp.iter().enumerate() {
            (real[k], imaginary[k]) = product([x[k], y[k]], *chirp);
        }
    }
}

/// Of complex numbers.
fn product([x, y]: [f64; 2], [u, v]: [f64; 2]) -> (f64, f64) {
    (x * u - y * v, x * v + y * u)
}
