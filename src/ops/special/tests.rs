//! What the functions that are computed one by one give at the edges of their domains, and where they are exact. The numbers
//! are limits and powers, known without a computer.

use std::f64::consts::{FRAC_PI_2, PI};

use super::{gamma::polygamma, stumpff::stumpff, *};

const INFINITY: f64 = f64::INFINITY;

fn of(function: impl Special<1>, x: f64) -> f64 {
    f64::call(function, [x])
}

/// Each function at numbers with the value that it has there, zeros with their signs.
fn expect(function: impl Special<1>, values: &[(f64, f64)]) {
    for (x, expected) in values {
        let found = of(function, *x);
        let is_same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
        assert!(is_same, "{} of {x} is {found}, not {expected}", std::any::type_name_of_val(&function));
    }
}

#[test]
fn special_functions_keep_their_conventions_at_the_edges_of_their_domains() {
    const NAN: f64 = f64::NAN;
    expect(Tan, &[(0.0, 0.0), (-0.0, -0.0), (INFINITY, NAN), (NAN, NAN)]);
    expect(Asin, &[(-0.0, -0.0), (1.0, FRAC_PI_2), (-1.0, -FRAC_PI_2), (1.5, NAN), (-INFINITY, NAN)]);
    expect(Acos, &[(1.0, 0.0), (-1.0, PI), (1.5, NAN), (-1.5, NAN)]);
    expect(Sinh, &[(-0.0, -0.0), (INFINITY, INFINITY), (-INFINITY, -INFINITY), (711.0, INFINITY)]);
    expect(Cosh, &[(0.0, 1.0), (INFINITY, INFINITY), (-INFINITY, INFINITY), (-711.0, INFINITY)]);
    expect(Asinh, &[(-0.0, -0.0), (5e-324, 5e-324), (INFINITY, INFINITY), (-INFINITY, -INFINITY), (NAN, NAN)]);
    expect(Acosh, &[(1.0, 0.0), (0.5, NAN), (-1e9, NAN), (-INFINITY, NAN), (INFINITY, INFINITY), (NAN, NAN)]);
    expect(Atanh, &[(-0.0, -0.0), (1.0, INFINITY), (-1.0, -INFINITY), (1.5, NAN), (-INFINITY, NAN), (5e-324, 5e-324)]);
    expect(Log2, &[(0.0, -INFINITY), (-0.0, -INFINITY), (-1.0, NAN), (INFINITY, INFINITY), (1.0, 0.0)]);
    expect(Log10, &[(0.0, -INFINITY), (-1.0, NAN), (INFINITY, INFINITY), (1.0, 0.0), (1000.0, 3.0)]);
    expect(Exp2, &[(1024.0, INFINITY), (-1076.0, 0.0), (-INFINITY, 0.0), (INFINITY, INFINITY)]);
    expect(Cbrt, &[(-0.0, -0.0), (27.0, 3.0), (-8.0, -2.0), (-INFINITY, -INFINITY)]);
    expect(ErfInv, &[(-0.0, -0.0), (1.0, INFINITY), (-1.0, -INFINITY), (1.5, NAN), (NAN, NAN)]);
    let poles = [(0.0, INFINITY), (-0.0, INFINITY), (-3.0, INFINITY)];
    expect(LogGamma, &[&poles[..], &[(1.0, 0.0), (2.0, 0.0), (INFINITY, INFINITY), (-INFINITY, NAN)]].concat());
}

#[test]
fn logarithms_and_powers_of_two_are_exact() {
    for exponent in -1074..=1023 {
        let power = if exponent < -1022 { f64::from_bits(1 << (exponent + 1074)) } else { f64::powi(2.0, exponent) };
        assert_eq!(of(Log2, power), f64::from(exponent));
        assert_eq!(of(Exp2, f64::from(exponent)), power);
    }
}

#[test]
fn polygamma_keeps_its_conventions_at_poles_and_orders() {
    assert_eq!(polygamma(0.0, 0.0), -INFINITY);
    assert_eq!(polygamma(-0.0, 0.0), INFINITY);
    assert!(polygamma(-1.0, 0.0).is_nan());
    assert_eq!(polygamma(-1.0, 1.0), INFINITY);
    assert_eq!(polygamma(2.5, 1.9), polygamma(2.5, 1.0));
    assert!([-1.0, 171.0, f64::NAN].iter().all(|order| polygamma(2.0, *order).is_nan()));
    assert_eq!([polygamma(INFINITY, 0.0), polygamma(INFINITY, 1.0)], [INFINITY, 0.0]);
}

#[test]
fn stumpff_keeps_its_conventions_at_zero_at_infinity_and_orders() {
    // 22! is the last that an f64 holds exactly, so that its inverse is rounded once.
    let factorials = (1..=22).scan(1.0, |factorial, k| Some(std::mem::replace(factorial, *factorial * f64::from(k))));
    for (k, factorial) in factorials.enumerate() {
        assert_eq!([0.0, -0.0].map(|s| stumpff(s, k as f64)), [1.0 / factorial; 2], "{k}");
    }
    let [first, second] = [0.0, 1.0].map(|order| [INFINITY, -INFINITY].map(|s| stumpff(s, order)));
    assert!(first[0].is_nan());
    assert_eq!((first[1], second), (INFINITY, [0.0, INFINITY]));
    assert_eq!([stumpff(INFINITY, 170.0), stumpff(-INFINITY, 170.0)], [0.0, INFINITY]);
    // cosh 709.5 is finite and cosh 711 is not.
    assert_eq!([709.5f64, 711.0].map(|r| stumpff(-r * r, 3.0).is_finite()), [true, false]);
    assert_eq!(stumpff(2.5, 1.9), stumpff(2.5, 1.0));
    assert!([-1.0, -0.5, 171.0, INFINITY, f64::NAN].iter().all(|order| stumpff(2.0, *order).is_nan()));
    assert!([0.0, 1.0].iter().all(|order| stumpff(f64::NAN, *order).is_nan()));
}

#[test]
fn hypot_neither_overflows_nor_underflows() {
    let hypot = |a, b| Hypot.value([a, b]);
    assert_eq!(hypot(3e300, -4e300), 5e300);
    assert_eq!(hypot(3e-320, 4e-320), 5e-320);
    assert_eq!(hypot(f64::NAN, -INFINITY), INFINITY);
}
