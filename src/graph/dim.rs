//! Sizes of axes: integers and polynomials in named symbols, kept in a normal form so that equality is exact.
//!
//! In: numbers, symbol names and arithmetic on them. Out: a [`Dim`] whose equality, order and text do not depend on
//! how it was built. A `Dim` is signed, because paddings and slice bounds are dims too; that an axis is not negative
//! is checked when its symbols are bound.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    iter::{Product, Sum},
    ops::{Add, Mul, Neg, Sub},
    sync::Arc,
};

use smallvec::SmallVec;

use super::monomial::Monomial;

/// Named sizes fed to a program: symbol → value.
pub type Bindings = BTreeMap<Arc<str>, i64>;

/// The size of an axis: an integer, or a polynomial with integer coefficients in named symbols.
///
/// Polynomials are kept sorted with like terms merged, so `2 * batch` and `batch + batch` are equal, hash alike and
/// print alike.
///
/// A coefficient that leaves `i64` becomes the nearest end of its range and stays there whatever is added, taken away
/// or multiplied (but by 0), so that it cannot come back as a wrong size: an operation whose sizes or attributes are as
/// large is an error.
///
/// # Example
/// ```
/// use pullback::Dim;
/// let batch = Dim::symbol("batch");
/// assert_eq!(2 * batch.clone(), batch.clone() + batch.clone());
/// assert_eq!((batch.clone() * 7 * 7 + 1).to_string(), "49*batch + 1");
/// assert_eq!((batch.clone() + 1) * (batch.clone() - 1), batch.clone() * batch - 1);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dim(Repr);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    Number(i64),
    /// At least one term holds a symbol; terms descend by monomial; no coefficient is zero.
    Polynomial(Arc<[PolynomialTerm]>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct PolynomialTerm {
    monomial: Monomial,
    coefficient: i64,
}

impl Dim {
    /// A named size, bound when arrays are fed.
    pub fn symbol(name: impl Into<Arc<str>>) -> Dim {
        let monomial = Monomial::from_symbol(name.into());
        Dim(Repr::Polynomial(Arc::from([PolynomialTerm { monomial, coefficient: 1 }])))
    }

    /// The number, if no symbol is in it.
    pub fn as_number(&self) -> Option<i64> {
        match self.0 {
            Repr::Number(number) => Some(number),
            Repr::Polynomial(_) => None,
        }
    }

    /// Whether this is the number `number`; a dim with symbols is not.
    pub fn is(&self, number: i64) -> bool {
        self.as_number() == Some(number)
    }

    /// The symbols in it, each once, sorted by name.
    pub fn symbols(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> =
            self.terms().iter().flat_map(|term| term.monomial.powers().map(|(name, _)| name.clone())).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The value once its symbols are bound.
    ///
    /// # Errors
    /// The first symbol that is not bound, or this dim, if a term or the value is no `i64`.
    pub fn evaluate(&self, bindings: &Bindings) -> Result<i64, Dim> {
        let terms = match &self.0 {
            Repr::Number(number) => return Ok(*number),
            Repr::Polynomial(terms) => terms,
        };
        let mut sum = 0i64;
        for term in terms.iter() {
            let mut product = Some(term.coefficient).filter(|coefficient| !is_lost(*coefficient));
            for (name, power) in term.monomial.powers() {
                let value = bindings.get(name).ok_or_else(|| Dim::symbol(name.clone()))?;
                product = product.and_then(|product| product.checked_mul(value.checked_pow(*power)?));
            }
            sum = product.and_then(|product| sum.checked_add(product)).ok_or_else(|| self.clone())?;
        }
        Ok(sum)
    }

    /// Whether a coefficient is of more than `max` in magnitude.
    pub(crate) fn exceeds(&self, max: u64) -> bool {
        match &self.0 {
            Repr::Number(number) => number.unsigned_abs() > max,
            Repr::Polynomial(terms) => terms.iter().any(|term| term.coefficient.unsigned_abs() > max),
        }
    }

    /// Whether a coefficient left `i64`, so that nothing is known of it.
    pub(crate) fn has_overflowed(&self) -> bool {
        self.exceeds(i64::MAX.unsigned_abs() - 1)
    }

    /// The value of the one symbol in `bindings`' complement that makes this dim equal `size`: `2*batch = 64` gives
    /// `batch = 32`. `None` if more than one symbol is free, if it is not linear, or if no integer solves it.
    pub fn solve(&self, size: i64, bindings: &Bindings) -> Option<(Arc<str>, i64)> {
        let free: Vec<_> = self.symbols().into_iter().filter(|name| !bindings.contains_key(name)).collect();
        let [symbol] = free.as_slice() else { return None };
        let evaluate = |value: i64| {
            let mut trial = bindings.clone();
            trial.insert(symbol.clone(), value);
            self.evaluate(&trial).ok()
        };
        let (offset, slope) = (evaluate(0)?, evaluate(1)?.checked_sub(evaluate(0)?)?);
        if evaluate(2)? != offset.checked_add(slope.checked_mul(2)?)? {
            return None;
        }
        let rest = size.checked_sub(offset)?;
        let value = rest.checked_div(slope)?;
        (evaluate(value)? == size).then(|| (symbol.clone(), value))
    }

    /// The quotient, if `divisor` divides this polynomial without a remainder.
    ///
    /// # Complexity
    /// The terms of the quotient times those of the divisor, each with a search among what is left.
    pub fn divided_by(&self, divisor: &Dim) -> Option<Dim> {
        let divisor_terms = divisor.terms();
        let (leading, others) = divisor_terms.split_first()?;
        let mut rest: BTreeMap<Monomial, i64> =
            self.terms().into_iter().map(|term| (term.monomial, term.coefficient)).collect();
        let mut quotient = Vec::new();
        // The product of the factor and the leading term is the term taken out; the others are less than it.
        while let Some((monomial, coefficient)) = rest.pop_last() {
            let monomial = monomial.divided_by(&leading.monomial)?;
            if is_lost(coefficient) || coefficient.checked_rem(leading.coefficient)? != 0 {
                return None;
            }
            let factor = coefficient / leading.coefficient;
            for other in others {
                let change = factor.saturating_mul(other.coefficient);
                match rest.entry(monomial.times(&other.monomial)) {
                    Entry::Vacant(place) => {
                        place.insert(0i64.saturating_sub(change));
                    }
                    Entry::Occupied(place) if *place.get() == change => {
                        place.remove();
                    }
                    Entry::Occupied(mut place) => *place.get_mut() = place.get().saturating_sub(change),
                }
            }
            quotient.push(PolynomialTerm { monomial, coefficient: factor });
        }
        Some(Dim::from_terms(quotient))
    }

    /// ⌊self / divisor⌋, known if `divisor` divides every coefficient but the constant one.
    pub fn floor_div(&self, divisor: i64) -> Option<Dim> {
        let (constant, others): (Vec<PolynomialTerm>, Vec<PolynomialTerm>) =
            self.terms().into_iter().partition(|term| term.monomial.degree() == 0);
        let constant = constant.first().map_or(0, |term| term.coefficient);
        let whole = Dim::from_terms(others).divided_by(&Dim::from(divisor))?;
        let quotient = constant.checked_div_euclid(divisor)?;
        Some(whole + if is_lost(constant) { constant } else { quotient })
    }

    /// Whether it is 0 or more whatever sizes its symbols are, as far as the signs of its terms tell.
    pub(crate) fn is_never_negative(&self) -> bool {
        self.terms().iter().all(|term| term.coefficient >= 0)
    }

    fn terms(&self) -> SmallVec<[PolynomialTerm; 2]> {
        match &self.0 {
            Repr::Number(0) => SmallVec::new(),
            Repr::Number(number) => {
                SmallVec::from_iter([PolynomialTerm { monomial: Monomial::default(), coefficient: *number }])
            }
            Repr::Polynomial(terms) => terms.iter().cloned().collect(),
        }
    }

    fn from_terms(terms: impl IntoIterator<Item = PolynomialTerm>) -> Dim {
        let mut merged: BTreeMap<Reverse<Monomial>, i64> = BTreeMap::new();
        for term in terms {
            let coefficient = merged.entry(Reverse(term.monomial)).or_default();
            *coefficient = plus(*coefficient, term.coefficient);
        }
        merged.retain(|_, coefficient| *coefficient != 0);
        if merged.keys().all(|Reverse(monomial)| monomial.degree() == 0) {
            return Dim(Repr::Number(merged.into_values().next().unwrap_or(0)));
        }
        let terms = merged.into_iter().map(|(Reverse(monomial), coefficient)| PolynomialTerm { monomial, coefficient });
        Dim(Repr::Polynomial(terms.collect()))
    }
}

impl<D: Into<Dim>> Add<D> for Dim {
    type Output = Dim;
    fn add(self, other: D) -> Dim {
        let other = other.into();
        match (&self.0, &other.0) {
            (Repr::Number(left), Repr::Number(right)) => Dim(Repr::Number(plus(*left, *right))),
            _ => Dim::from_terms(self.terms().into_iter().chain(other.terms())),
        }
    }
}

impl<D: Into<Dim>> Sub<D> for Dim {
    type Output = Dim;
    fn sub(self, other: D) -> Dim {
        self + -other.into()
    }
}

impl Neg for Dim {
    type Output = Dim;
    fn neg(self) -> Dim {
        self * -1
    }
}

impl<D: Into<Dim>> Mul<D> for Dim {
    type Output = Dim;
    fn mul(self, other: D) -> Dim {
        let other = other.into();
        if let (Repr::Number(left), Repr::Number(right)) = (&self.0, &other.0) {
            return Dim(Repr::Number(times(*left, *right)));
        }
        let (left, right) = (self.terms(), other.terms());
        Dim::from_terms(left.iter().flat_map(|a| {
            right.iter().map(|b| PolynomialTerm {
                monomial: a.monomial.times(&b.monomial),
                coefficient: times(a.coefficient, b.coefficient),
            })
        }))
    }
}

/// Whether a coefficient stands for one that is no `i64`: the ends of the range, which nothing finite comes back from.
fn is_lost(coefficient: i64) -> bool {
    coefficient == i64::MAX || coefficient == i64::MIN
}

fn plus(left: i64, right: i64) -> i64 {
    match (is_lost(left), is_lost(right)) {
        (true, _) => left,
        (false, true) => right,
        (false, false) => left.saturating_add(right),
    }
}

fn times(left: i64, right: i64) -> i64 {
    let is_finite = left == 0 || right == 0 || !(is_lost(left) || is_lost(right));
    match (is_finite, (left < 0) == (right < 0)) {
        (true, _) => left.saturating_mul(right),
        (false, true) => i64::MAX,
        (false, false) => i64::MIN,
    }
}

impl Mul<Dim> for i64 {
    type Output = Dim;
    fn mul(self, dim: Dim) -> Dim {
        dim * self
    }
}

impl Sum for Dim {
    /// All terms are merged at once, where `+` would copy the sum so far for each.
    fn sum<I: Iterator<Item = Dim>>(dims: I) -> Dim {
        Dim::from_terms(dims.flat_map(|dim| dim.terms()))
    }
}

impl Product for Dim {
    fn product<I: Iterator<Item = Dim>>(dims: I) -> Dim {
        dims.fold(Dim::from(1), |product, dim| product * dim)
    }
}

impl From<i64> for Dim {
    fn from(number: i64) -> Dim {
        Dim(Repr::Number(number))
    }
}

impl From<i32> for Dim {
    fn from(number: i32) -> Dim {
        Dim::from(i64::from(number))
    }
}

impl From<usize> for Dim {
    fn from(number: usize) -> Dim {
        Dim::from(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Dim {
    fn from(symbol: &str) -> Dim {
        Dim::symbol(symbol)
    }
}

impl From<&Dim> for Dim {
    fn from(dim: &Dim) -> Dim {
        dim.clone()
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = match &self.0 {
            Repr::Number(number) => return write!(f, "{number}"),
            Repr::Polynomial(terms) => terms,
        };
        for (position, term) in terms.iter().enumerate() {
            let sign = match (position, term.coefficient < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            f.write_str(sign)?;
            let magnitude = term.coefficient.unsigned_abs();
            let mut factors: Vec<String> = Vec::new();
            if magnitude != 1 || term.monomial.degree() == 0 {
                factors.push(magnitude.to_string());
            }
            for (name, power) in term.monomial.powers() {
                factors.push(if *power == 1 { name.to_string() } else { format!("{name}^{power}") });
            }
            f.write_str(&factors.join("*"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Dim {
        Dim::symbol("batch")
    }

    #[test]
    fn normal_form_is_one_per_polynomial() {
        let time = Dim::symbol("time");
        let left = (batch() + time.clone()) * (batch() - time.clone());
        let right = batch() * batch() - time.clone() * time;
        assert_eq!(left, right);
        assert_eq!(left.to_string(), "batch^2 - time^2");
        assert_eq!(batch() - batch(), Dim::from(0));
    }

    #[test]
    fn division_is_exact_or_refused() {
        let n = batch();
        let square_less_one = n.clone() * n.clone() - 1;
        assert_eq!(square_less_one.divided_by(&(n.clone() + 1)), Some(n.clone() - 1));
        assert_eq!((n.clone() * 3).divided_by(&Dim::from(2)), None);
        assert_eq!(n.divided_by(&Dim::from(0)), None);
    }

    /// Against the operators, on all sums of a few terms with small coefficients.
    #[test]
    fn sums_and_quotients_are_those_of_the_operators() {
        let terms = [Dim::from(1), batch(), Dim::symbol("time"), batch() * batch(), batch() * Dim::symbol("time")];
        let sum_of = |numbers: usize| -> Dim {
            let coefficient = |position: usize| (numbers / 3usize.pow(position as u32) % 3) as i64 - 1;
            terms.iter().enumerate().map(|(position, term)| coefficient(position) * term.clone()).sum()
        };
        let dims: Vec<Dim> = (0..3usize.pow(terms.len() as u32)).map(sum_of).collect();
        for (numbers, sum) in dims.iter().enumerate() {
            let folded = terms.iter().enumerate().fold(Dim::from(0), |folded, (position, term)| {
                folded + ((numbers / 3usize.pow(position as u32) % 3) as i64 - 1) * term.clone()
            });
            assert_eq!(*sum, folded);
            for divisor in dims.iter().step_by(7).filter(|divisor| !divisor.is(0)) {
                assert_eq!((sum.clone() * divisor.clone()).divided_by(divisor).as_ref(), Some(sum));
                let off = sum.clone() * divisor.clone() + Dim::symbol("other");
                assert_eq!(off.divided_by(divisor).map(|quotient| quotient * divisor.clone()), off_of(&off, divisor));
            }
        }
        assert_eq!([i64::MAX.into(), Dim::from(1)].into_iter().sum::<Dim>(), Dim::from(i64::MAX));
        assert_eq!(std::iter::empty::<Dim>().sum::<Dim>(), Dim::from(0));
    }

    /// What a quotient times its divisor must be: only units divide a symbol of which they have none.
    fn off_of(off: &Dim, divisor: &Dim) -> Option<Dim> {
        divisor.as_number().map(|_| off.clone())
    }

    #[test]
    fn floor_division_needs_divisible_symbols() {
        assert_eq!((batch() * 4 + 3).floor_div(2), Some(batch() * 2 + 1));
        assert_eq!((batch() * 4 - 1).floor_div(2), Some(batch() * 2 - 1));
        assert_eq!(batch().floor_div(2), None);
        assert_eq!(Dim::from(7).floor_div(2), Some(Dim::from(3)));
        assert_eq!(Dim::from(7).floor_div(0), None);
    }

    #[test]
    fn what_leaves_the_range_never_comes_back() {
        let lost = Dim::from(1i64 << 62) * 4;
        for dim in [
            lost.clone() - i64::MAX,
            lost.clone() - lost.clone(),
            Dim::from(usize::MAX) - i64::MAX,
            -lost.clone() + i64::MAX,
            lost.clone() * -3 + 1,
            lost.clone().floor_div(7).unwrap(),
            batch() * (1i64 << 62) * 4 - batch() * i64::MAX,
            (batch() + lost.clone()) * 2 - 5,
            (batch() + lost.clone()).floor_div(1).unwrap(),
        ] {
            assert!(dim.has_overflowed(), "{dim}");
        }
        assert_eq!(lost.clone() * Dim::from(0), Dim::from(0));
        assert_eq!(lost.divided_by(&Dim::from(7)), None);
    }

    #[test]
    fn a_value_beyond_the_range_is_an_error_and_cancels_nothing() {
        let time = Dim::symbol("time");
        let far = Bindings::from([("batch".into(), i64::MAX), ("time".into(), i64::MAX)]);
        let difference = batch() * batch() - time.clone() * time;
        assert_eq!(difference.evaluate(&far), Err(difference.clone()));
        assert_eq!((batch() + 1).evaluate(&far), Err(batch() + 1));
        assert_eq!((batch() - 1).evaluate(&far), Ok(i64::MAX - 1));
        assert_eq!(difference.evaluate(&Bindings::from([("batch".into(), 3)])), Err(Dim::symbol("time")));
    }

    #[test]
    fn solving_binds_one_symbol() {
        let bindings = Bindings::new();
        assert_eq!((batch() * 2).solve(64, &bindings), Some(("batch".into(), 32)));
        assert_eq!((batch() * 2).solve(63, &bindings), None);
        assert_eq!((batch() * batch()).solve(9, &bindings), None);
    }
}
