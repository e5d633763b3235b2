//! Random numbers that depend on a key, a counter and a place alone: the same on any number of threads, in any order.

use std::f64::consts::TAU;

use ndarray::{ArrayD, IxDyn};

use super::{
    leaf::check_sizes,
    real::Real,
    rule::{Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits, check_operands},
    sample::{Sample, listed},
    slice::Index,
};
use crate::graph::{DType, Dim, Expr, Graph, GraphError, RandomBits, Shape, Site, Type, Value};

/// The multipliers of a round.
pub(crate) const PHILOX_MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];

/// What is added to the key after a round: the golden ratio and √3 − 1.
pub(crate) const PHILOX_WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// How often.
pub(crate) const PHILOX_ROUNDS: usize = 10;

/// Philox-4x32-10: a bijection of the counter for each key, whose values pass for random.
///
/// # Source
/// Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11, section 3.3.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..PHILOX_ROUNDS {
        let [a, b, c, d] = counter;
        let (left_low, left_high) = words(u64::from(PHILOX_MULTIPLIERS[0]) * u64::from(a));
        let (right_low, right_high) = words(u64::from(PHILOX_MULTIPLIERS[1]) * u64::from(c));
        counter = [right_high ^ b ^ key[0], right_low, left_high ^ d ^ key[1], left_low];
        key = [key[0].wrapping_add(PHILOX_WEYL[0]), key[1].wrapping_add(PHILOX_WEYL[1])];
    }
    counter
}

/// The low and the high half.
fn words(number: u64) -> (u32, u32) {
    (number as u32, (number >> 32) as u32)
}

impl Rule for RandomBits {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [key, counter] = check_operands(operands)?;
        for scalars in [key, counter] {
            if scalars.dtype != DType::I64 {
                return Err(GraphError::UnsupportedDType { expected: "an i64 key and counter", found: scalars.dtype });
            }
        }
        if key.shape != counter.shape {
            return Err(GraphError::ShapesDiffer { left: key.shape.clone(), right: counter.shape.clone() });
        }
        if !self.shape.starts_with(&key.shape) {
            let first = Shape::from(&self.shape[..key.rank().min(self.shape.rank())]);
            return Err(GraphError::WrongShape { what: "the key", expected: first, found: key.shape.clone() });
        }
        if !(1..=62).contains(&self.width) {
            let found = self.width.to_string();
            return Err(GraphError::OutOfRange { what: "the number of random bits", expected: "from 1 to 62", found });
        }
        check_sizes(&self.shape)?;
        Ok(Type::new(DType::I64, &self.shape))
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Constant
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Shifted(self)
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Nothing
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let (Value::I64(key), Value::I64(counter)) = (context.operands[0], context.operands[1]) else {
            unreachable!("invariant: inference asks for i64")
        };
        let shape = context.shape()?;
        let n_each: usize = shape[key.ndim()..].iter().product();
        let of_key = |(key, counter)| (0..n_each as u64).map(move |place| self.element(key, counter, place));
        let bits: Vec<i64> = key.iter().copied().zip(counter.iter().copied()).flat_map(of_key).collect();
        Ok(Value::I64(ArrayD::from_shape_vec(IxDyn(&shape), bits).expect("invariant: keys have the first axes")))
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let sample = |width, shape: &[usize], key: i64, counter: i64| {
            let bits = RandomBits { width, shape: Shape::from(shape) };
            Sample::smooth(bits, [listed(&[], &[key]), listed(&[], &[counter])])
        };
        let keys = |shape: &[usize], keyed: &[usize], keys: &[i64], counters: &[i64]| {
            let bits = RandomBits { width: 31, shape: Shape::from(shape) };
            Sample::smooth(bits, [listed(keyed, keys), listed(keyed, counters)])
        };
        vec![
            sample(62, &[3, 2], 7, 0),
            sample(1, &[5], -1, i64::MAX),
            sample(24, &[], 0, 0),
            sample(53, &[0, 2], 0, 1),
            keys(&[2, 3], &[2], &[5, -6], &[0, 9]),
            keys(&[3, 1], &[3, 1], &[1, 2, 1], &[4, 4, 5]),
            keys(&[2, 0], &[2], &[1, 2], &[3, 4]),
        ]
    }
}

impl RandomBits {
    /// The low bits of the first two words that Philox gives for the counter (place, counter), low words first.
    fn element(&self, key: i64, counter: i64, place: u64) -> i64 {
        let ((place_low, place_high), (low, high)) = (words(place), words(counter as u64));
        let (key_low, key_high) = words(key as u64);
        let [first, second, ..] = philox([place_low, place_high, low, high], [key_low, key_high]);
        let joined = u64::from(first) | u64::from(second) << 32;
        (joined & ((1 << self.width) - 1)) as i64
    }
}

impl Graph {
    /// Uniform random integers in [0, 2^width), from the `i64` scalars `key` and `counter`.
    ///
    /// Element i in row-major order depends on key, counter and i alone. Take one key for each place in a program that
    /// draws (two draws with the same key and counter are the same numbers), and count the runs with the counter.
    ///
    /// # Shapes
    /// key and counter: `[]`, or any that broadcast to the first axes of `shape`: then each key with its counter draws
    /// what it would alone, counting its own elements from 0. [`Graph::split_key`] makes keys.
    ///
    /// # Errors
    /// An error is recorded if key or counter is no `i64`, or `width` is not from 1 to 62.
    ///
    /// # Source
    /// Philox-4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11. The counter's words are the
    /// low and high halves of i and of `counter`, the key's those of `key`; the result is the low bits of the first two
    /// output words, the first of them low.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let step = g.input_of(DType::I64, "step", ());
    /// let dice = g.random_bits(g.constant(17i64), step, 3, ("batch", 2));
    /// assert_eq!(dice.ty().to_string(), "i64[batch, 2]");
    /// ```
    #[doc(alias = "randint")]
    #[track_caller]
    pub fn random_bits<'g>(
        &'g self,
        key: Expr<'g>,
        counter: Expr<'g>,
        width: usize,
        shape: impl Into<Shape>,
    ) -> Expr<'g> {
        let _frame = self.enter("random_bits", Site::caller());
        match key.broadcast_with(counter) {
            Ok((key, counter)) => self.apply(RandomBits { width, shape: shape.into() }, &[key, counter]),
            Err(poison) => poison,
        }
    }

    /// n keys from the key: what is drawn with them passes for independent of each other, and of what is drawn with `key`
    /// itself and any counter but [`i64::MIN`]. They are numbers of 62 random bits, so that two of n are equal with a
    /// probability of n²/2⁶³.
    ///
    /// # Shapes
    /// key: `[]` → `[n]`.
    ///
    /// # Errors
    /// An error is recorded if key is no `i64` scalar, or n is negative.
    ///
    /// # Source
    /// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11: a counter-based generator keyed by its own
    /// output. Claessen and Pałka, "Splittable pseudorandom number generators using cryptographic hashing", Haskell 2013.
    ///
    /// # Example
    /// Four walks, each with random numbers of its own; a shared key would draw one walk for all:
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (key, step) = (g.input_of(DType::I64, "key", ()), g.input_of(DType::I64, "step", ()));
    /// let x = g.input("x", (2,));
    /// let walked = x + g.random_normal(key, step, DType::F32, (2,));
    /// let keys = g.split_key(g.constant(7i64), 4);
    /// let all = g.batch(walked, [(key, keys), (x, g.input("all", (4, 2)))]);
    /// assert_eq!(all.ty().to_string(), "f32[4, 2]");
    /// ```
    #[doc(alias("split", "fold_in", "seed_sequence"))]
    #[track_caller]
    pub fn split_key<'g>(&'g self, key: Expr<'g>, n: impl Into<Dim>) -> Expr<'g> {
        let _frame = self.enter("split_key", Site::caller());
        if !key.is_poisoned() && key.rank() != 0 {
            let (what, expected) = ("the key", Shape::default());
            return self.report(GraphError::WrongShape { what, expected, found: key.shape() }, &[key]);
        }
        self.random_bits(key, self.constant(i64::MIN), 62, [n.into()])
    }

    /// Uniform random floats in [0, 1), from the `i64` scalars `key` and `counter` as for [`Graph::random_bits`]:
    /// multiples of 2⁻²⁴ for `f32` and of 2⁻⁵³ for `f64`, without rounding. The derivative is 0.
    ///
    /// # Errors
    /// An error is recorded if `dtype` is no float; else as [`Graph::random_bits`].
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 64));
    /// let step = g.input_of(DType::I64, "step", ());
    /// let kept = g.random_uniform(g.constant(1i64), step, DType::F32, x.shape()).greater_equal(0.5);
    /// let dropped_out = kept.select(2.0 * x, 0.0);
    /// assert_eq!(dropped_out.ty(), x.ty());
    /// ```
    #[doc(alias = "rand")]
    #[track_caller]
    pub fn random_uniform<'g>(
        &'g self,
        key: Expr<'g>,
        counter: Expr<'g>,
        dtype: DType,
        shape: impl Into<Shape>,
    ) -> Expr<'g> {
        let _frame = self.enter("random_uniform", Site::caller());
        let width: u8 = match dtype {
            DType::F32 => 24,
            DType::F64 => 53,
            DType::I64 | DType::Bool => {
                return self.report(GraphError::UnsupportedDType { expected: "a float", found: dtype }, &[]);
            }
        };
        self.random_bits(key, counter, width.into(), shape).cast(dtype) * libm::ldexp(1.0, -i32::from(width))
    }

    /// Random floats of mean 0 and variance 1, normally distributed, from the `i64` scalars `key` and `counter` as for
    /// [`Graph::random_bits`]: z = √(−2 ln(1 − u))·cos(2πv), with u and v uniform in [0, 1). The derivative is 0.
    ///
    /// Element i takes the elements 2i and 2i + 1 of the uniform stream. |z| is at most 5.8 for `f32` and 8.6 for
    /// `f64`.
    ///
    /// # Errors
    /// As [`Graph::random_uniform`].
    ///
    /// # Source
    /// Box and Muller, "A note on the generation of random normal deviates", 1958.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (mean, scale) = (g.input("mean", (8,)), g.input("scale", (8,)));
    /// let step = g.input_of(DType::I64, "step", ());
    /// let drawn = mean + scale * g.random_normal(g.constant(2i64), step, DType::F32, (8,));
    /// assert_eq!(drawn.ty().to_string(), "f32[8]");
    /// ```
    #[doc(alias = "randn")]
    #[track_caller]
    pub fn random_normal<'g>(
        &'g self,
        key: Expr<'g>,
        counter: Expr<'g>,
        dtype: DType,
        shape: impl Into<Shape>,
    ) -> Expr<'g> {
        let _frame = self.enter("random_normal", Site::caller());
        let shape = shape.into();
        let pairs: Shape = shape.iter().cloned().chain([Dim::from(2)]).collect();
        let uniform = self.random_uniform(key, counter, dtype, pairs);
        let stream = |which: i64| {
            let mut indices = vec![Index::from(..); shape.rank()];
            indices.push(Index::At(which));
            uniform.slice(indices)
        };
        let radius = ((-stream(0)).log1p() * -2.0).sqrt();
        radius * (stream(1) * TAU).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::value;

    /// The known answers that the authors publish with Random123.
    #[test]
    fn philox_gives_the_known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, answer) in cases {
            assert_eq!(philox(counter, key), answer);
        }
    }

    fn draw(build: impl for<'g> Fn(&'g Graph, Expr<'g>, Expr<'g>) -> Expr<'g>) -> Vec<f64> {
        let g = Graph::new();
        let drawn = build(&g, g.constant(3i64), g.constant(-5i64));
        value(drawn.cast(DType::F64)).array::<f64>().unwrap().iter().copied().collect()
    }

    #[test]
    fn an_element_depends_on_its_place_and_not_on_the_shape() {
        let few = draw(|g, key, counter| g.random_bits(key, counter, 53, (2, 3)));
        let many = draw(|g, key, counter| g.random_bits(key, counter, 53, (40,)));
        assert_eq!(few, many[..6]);
        let few = draw(|g, key, counter| g.random_normal(key, counter, DType::F64, (3,)));
        let many = draw(|g, key, counter| g.random_normal(key, counter, DType::F64, (2, 3)));
        assert_eq!(few, many[..3]);
    }

    #[test]
    fn words_are_joined_low_first() {
        let zero = RandomBits { width: 62, shape: Shape::default() }.element(0, 0, 0);
        assert_eq!(zero, 0xe169_c58d_6627_e8d5_u64 as i64 & ((1 << 62) - 1));
        assert_eq!(RandomBits { width: 8, shape: Shape::default() }.element(0, 0, 0), 0xd5);
    }

    /// Bounds of six standard errors of 20,000 draws.
    #[test]
    fn distributions_have_their_moments() {
        const COUNT: usize = 20_000;
        let mean = |numbers: &[f64], power: i32| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / COUNT as f64;
        for dtype in [DType::F32, DType::F64] {
            let uniform = draw(|g, key, counter| g.random_uniform(key, counter, dtype, (COUNT,)));
            assert!(uniform.iter().all(|x| (0.0..1.0).contains(x)));
            assert!((mean(&uniform, 1) - 0.5).abs() < 0.0123 && (mean(&uniform, 2) - 1.0 / 3.0).abs() < 0.0127);
            let normal = draw(|g, key, counter| g.random_normal(key, counter, dtype, (COUNT,)));
            assert!(mean(&normal, 1).abs() < 0.0425 && (mean(&normal, 2) - 1.0).abs() < 0.06);
            assert!((mean(&normal, 4) - 3.0).abs() < 0.416);
        }
    }

    #[test]
    fn mistakes_are_told() {
        let g = Graph::new();
        let key = g.constant(1i64);
        g.random_bits(key, key, 63, (2,));
        g.random_bits(key, g.constant(1.0f32), 8, (2,));
        g.random_uniform(key, key, DType::I64, (2,));
        assert_eq!(g.check().unwrap_err().0.len(), 3);
    }
}
