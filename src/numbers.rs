//! Numbers in messages, tables and pictures. In: a float. Out: its text, with an exponent where the digits would be mostly zeros.

use std::fmt;

/// A number as text that reads back to the same bits: `0.5`, `120`, `1e308`.
pub(crate) fn short(number: f64) -> impl fmt::Display {
    Text { number, n_decimals: None }
}

/// A number with so many decimals: `0.5000`, `1.0000e308`.
pub(crate) fn rounded(number: f64, n_decimals: usize) -> impl fmt::Display {
    Text { number, n_decimals: Some(n_decimals) }
}

/// A number to so many significant digits, as short as it is written then: `0.333`, `120`, `1.23e20`.
#[cfg(feature = "plot")]
pub(crate) fn digits(number: f64, n_digits: usize) -> impl fmt::Display {
    let n_decimals = n_digits.saturating_sub(1);
    // The greatest floats would be rounded to infinity.
    let nearest = format!("{number:.n_decimals$e}").parse().ok().filter(|nearest: &f64| nearest.is_finite());
    short(nearest.unwrap_or(number))
}

struct Text {
    number: f64,
    n_decimals: Option<usize>,
}

/// From here on a number of f64 has more digits than it is exact to.
const MANY_DIGITS: f64 = 1e16;

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, magnitude) = (self.number, self.number.abs());
        let is_large = magnitude.is_finite() && magnitude >= MANY_DIGITS;
        match self.n_decimals {
            Some(n_decimals) if is_large => write!(f, "{number:.n_decimals$e}"),
            Some(n_decimals) => write!(f, "{number:.n_decimals$}"),
            None if is_large || (magnitude > 0.0 && magnitude < 1e-5) => write!(f, "{number:e}"),
            None => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_short_and_read_back() {
        let mut number = 5e-324;
        while number < f64::INFINITY {
            for signed in [number, -number] {
                let text = short(signed).to_string();
                assert_eq!(text.parse(), Ok(signed));
                assert!(text.len() <= 25, "{text}");
                assert!(rounded(signed, 4).to_string().len() <= 25, "{}", rounded(signed, 4));
            }
            number *= 1.7;
        }
        let plain = [0.0, -0.0, 1.0, -0.5, 120.0, 1e-5, 1e15].map(|number| short(number).to_string());
        assert_eq!(plain, ["0", "-0", "1", "-0.5", "120", "0.00001", "1000000000000000"]);
        let others = [1e308, -1e16, 1e-6, f64::NAN, f64::NEG_INFINITY].map(|number| short(number).to_string());
        assert_eq!(others, ["1e308", "-1e16", "1e-6", "NaN", "-inf"]);
        let decimals = [0.12345, 1e308, f64::INFINITY].map(|number| rounded(number, 2).to_string());
        assert_eq!(decimals, ["0.12", "1.00e308", "inf"]);
    }

    #[cfg(feature = "plot")]
    #[test]
    fn numbers_to_some_digits_are_rounded_to_the_nearest() {
        let text = |number: f64, n_digits: usize| digits(number, n_digits).to_string();
        for (number, n_digits, expected) in [
            (1.0 / 3.0, 3, "0.333"),
            (-2.0 / 3.0, 4, "-0.6667"),
            (0.5, 4, "0.5"),
            (9.996, 3, "10"),
            (123_456.0, 3, "123000"),
            (7.0, 1, "7"),
            (0.000_001_234_56, 3, "1.23e-6"),
            (1.234_56e20, 3, "1.23e20"),
            (0.0, 3, "0"),
            (-0.0, 3, "-0"),
            (5e-324, 3, "5e-324"),
            // Rounded up it would be infinite.
            (f64::MAX, 3, "1.7976931348623157e308"),
            (f64::NEG_INFINITY, 3, "-inf"),
            (f64::NAN, 3, "NaN"),
        ] {
            assert_eq!(text(number, n_digits), expected, "{number} to {n_digits} digits");
        }
    }
}
