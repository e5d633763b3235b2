//! Reference values for the tests of the f64 kernels. In: f64. Out: the functions of analysis as sums of two f64, with
//! some 100 bits. Slow and plain: Taylor series after reductions, and nothing shared with the kernels. The arithmetic is
//! Dekker's (1971) with the accurate sum of Hida, Li and Bailey ("Library for double-double arithmetic", 2008).

use std::f64::consts;

/// high + low, with |low| at most half a unit in the last place of high.
#[derive(Debug, Clone, Copy)]
pub(super) struct Double {
    pub(super) high: f64,
    pub(super) low: f64,
}

const LN_2: [f64; 3] = [consts::LN_2, 2.3190468138462996e-17, 5.707708438416212e-34];
const HALF_PI: [f64; 4] = [consts::FRAC_PI_2, 6.123233995736766e-17, -1.4973849048591698e-33, 5.562271104316826e-50];
const TWO_OVER_ROOT_PI: Double = Double { high: consts::FRAC_2_SQRT_PI, low: 1.533545961316588e-17 };

impl From<f64> for Double {
    fn from(high: f64) -> Double {
        Double { high, low: 0.0 }
    }
}

impl Double {
    fn sum(a: f64, b: f64) -> Double {
        let high = a + b;
        let part = high - a;
        Double { high, low: (a - (high - part)) + (b - part) }
    }

    fn product(a: f64, b: f64) -> Double {
        let high = a * b;
        Double { high, low: a.mul_add(b, -high) }
    }

    pub(super) fn add(self, other: impl Into<Double>) -> Double {
        let other = other.into();
        let (high, low) = (Double::sum(self.high, other.high), Double::sum(self.low, other.low));
        let high = Double::sum(high.high, high.low + low.high);
        Double::sum(high.high, high.low + low.low)
    }

    pub(super) fn negated(self) -> Double {
        Double { high: -self.high, low: -self.low }
    }

    pub(super) fn times(self, other: impl Into<Double>) -> Double {
        let other = other.into();
        let product = Double::product(self.high, other.high);
        Double::sum(product.high, product.low + (self.high * other.low + self.low * other.high))
    }

    pub(super) fn over(self, other: impl Into<Double>) -> Double {
        let other = other.into();
        let first = self.high / other.high;
        let rest = self.add(other.times(first).negated());
        let second = rest.high / other.high;
        let rest = rest.add(other.times(second).negated());
        Double::sum(first, second).add(rest.high / other.high)
    }

    pub(super) fn scaled(self, exponent: i32) -> Double {
        let (half, rest) = (exponent / 2, exponent - exponent / 2);
        let by = |x: f64| x * f64::powi(2.0, half) * f64::powi(2.0, rest);
        Double { high: by(self.high), low: by(self.low) }
    }

    /// self − n·(the sum of the parts).
    fn without(self, n: f64, parts: &[f64]) -> Double {
        parts.iter().fold(self, |rest, part| rest.add(Double::product(-n, *part)))
    }

    /// (eˣ − 1, k) scaled so that eˣ = 2ᵏ·(1 + the first).
    fn exp_parts(self) -> (Double, i32) {
        let n = (self.high / LN_2[0]).round();
        // (e^(r/256) − 1) by its series, then eight times (1 + y)² − 1 = y·(2 + y).
        let r = self.without(n, &LN_2).scaled(-8);
        let mut term = r;
        let mut sum = r;
        for index in 2..14 {
            term = term.times(r).over(f64::from(index));
            sum = sum.add(term);
        }
        for _ in 0..8 {
            sum = sum.times(sum.add(2.0));
        }
        (sum, n as i32)
    }

    /// (x, k) with eˣ = x·2ᵏ, the exponential held where an f64 is 0 or infinite anyway.
    pub(super) fn exp_parts_or_bound(self) -> (Double, i32) {
        let bounded = if self.high.abs() > 800.0 { Double::from(800.0f64.copysign(self.high)) } else { self };
        let (less_one, exponent) = bounded.exp_parts();
        (less_one.add(1.0), exponent)
    }

    /// 1/√x, by one step from the f64 value.
    pub(super) fn rsqrt(self) -> Double {
        let guess = self.high.sqrt();
        let rest = self.add(Double::product(-guess, guess));
        Double::from(1.0).over(Double::from(guess).add(rest.over(2.0 * guess)))
    }

    pub(super) fn exp(self) -> Double {
        if self.high.abs() > 800.0 {
            return Double::from(if self.high > 0.0 { f64::INFINITY } else { 0.0 });
        }
        let (less_one, exponent) = self.exp_parts();
        less_one.add(1.0).scaled(exponent)
    }

    pub(super) fn exp_m1(self) -> Double {
        if self.high.abs() > 0.3 {
            return self.exp().add(-1.0);
        }
        self.exp_parts().0
    }

    /// Newton's iteration on the exponential, twice from the f64 value.
    pub(super) fn ln(self) -> Double {
        let exponent = (self.high.to_bits() >> 52) as i32 - 1023;
        let mantissa = self.scaled(-exponent);
        let mut guess = Double::from(mantissa.high.ln());
        for _ in 0..2 {
            guess = guess.add(mantissa.times(guess.negated().exp()).add(-1.0));
        }
        guess.without(f64::from(-exponent), &LN_2)
    }

    /// ln(1 + x), by Newton's iteration on eʸ − 1.
    pub(super) fn ln_1p(self) -> Double {
        if self.high.abs() > 0.3 {
            return self.add(1.0).ln();
        }
        let mut guess = Double::from(self.high.ln_1p());
        for _ in 0..2 {
            let found = guess.exp_m1();
            guess = guess.add(self.add(found.negated()).over(found.add(1.0)));
        }
        guess
    }

    /// (sin x, cos x) by their series at the rest of a division by π/2.
    pub(super) fn sin_cos(self) -> (Double, Double) {
        let n = (self.high / HALF_PI[0]).round();
        let r = self.without(n, &HALF_PI);
        let square = r.times(r).negated();
        let (mut sine_term, mut cosine_term) = (r, Double::from(1.0));
        let (mut sine, mut cosine) = (sine_term, cosine_term);
        for index in 1..15 {
            let even = f64::from(2 * index);
            cosine_term = cosine_term.times(square).over(even * (even - 1.0));
            sine_term = sine_term.times(square).over(even * (even + 1.0));
            (sine, cosine) = (sine.add(sine_term), cosine.add(cosine_term));
        }
        match (n as i64).rem_euclid(4) {
            0 => (sine, cosine),
            1 => (cosine, sine.negated()),
            2 => (sine.negated(), cosine.negated()),
            _ => (cosine.negated(), sine),
        }
    }

    /// The angle of (x, y), both finite and one not 0: Newton's iteration on the sine of what is left.
    pub(super) fn atan2(y: f64, x: f64) -> Double {
        let scale = x.abs().max(y.abs());
        let exponent = 1023 - (scale.to_bits() >> 52) as i32;
        let (x, y) = (Double::from(x).scaled(exponent), Double::from(y).scaled(exponent));
        let mut guess = Double::from(y.high.atan2(x.high));
        for _ in 0..2 {
            let (sine, cosine) = guess.sin_cos();
            let (along, across) = (x.times(cosine).add(y.times(sine)), y.times(cosine).add(x.times(sine).negated()));
            guess = guess.add(across.over(along));
        }
        guess
    }

    /// erf of x so small that its cube does not count, for x scaled to where products do not underflow.
    pub(super) fn erf_of_tiny(self) -> Double {
        self.times(TWO_OVER_ROOT_PI)
    }

    /// x/√π.
    pub(super) fn over_root_pi(self) -> Double {
        self.times(TWO_OVER_ROOT_PI).times(0.5)
    }

    /// 2/√π·e^(−x²)·Σ 2ⁿx^(2n+1)/(2n+1)!!, whose terms are all of one sign.
    pub(super) fn erf(self) -> Double {
        let square = self.times(self);
        let (mut term, mut sum) = (self, self);
        let mut index = 1.0;
        while term.high.abs() > sum.high.abs() * 1e-33 {
            term = term.times(square).times(2.0).over(2.0 * index + 1.0);
            sum = sum.add(term);
            index += 1.0;
        }
        sum.times(TWO_OVER_ROOT_PI).times(square.negated().exp())
    }
}
