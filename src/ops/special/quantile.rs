//! The inverse of the error function. In: an f64 in (−1, 1). Out: an f64.
//!
//! The rational functions are those of Wichura, *Algorithm AS 241: The percentage points of the normal distribution*, Applied
//! Statistics 37, 1988, and one step of Halley's method follows, with the complement 1 − |x| where the error function is flat.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

const CENTRE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_545,
    ],
];
const MIDDLE: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];
const TAIL: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_9,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

/// y with erf y = x; ±∞ at ±1, NaN beyond.
pub(super) fn erf_inv(x: f64) -> f64 {
    let magnitude = x.abs();
    if magnitude >= 1.0 || x.is_nan() {
        return if magnitude == 1.0 { x * f64::INFINITY } else { f64::NAN };
    }
    if magnitude < 1e-10 {
        // The next term of the series is πx³/24·√π.
        return x / FRAC_2_SQRT_PI;
    }
    let guess = guess(magnitude);
    let excess = if magnitude < 0.5 { libm::erf(guess) - magnitude } else { (1.0 - magnitude) - libm::erfc(guess) };
    let step = excess / (FRAC_2_SQRT_PI * libm::exp(-guess * guess));
    (guess - step / (1.0 + guess * step)).copysign(x)
}

fn guess(x: f64) -> f64 {
    if x <= 0.85 {
        let r = 0.180_625 - 0.25 * x * x;
        return 0.5 * x * ratio(r, &CENTRE) * FRAC_1_SQRT_2;
    }
    let r = (-libm::log(0.5 * (1.0 - x))).sqrt();
    FRAC_1_SQRT_2 * if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &TAIL) }
}

fn ratio(x: f64, polynomials: &[[f64; 8]; 2]) -> f64 {
    let [above, below] = polynomials.each_ref().map(|c| c.iter().rev().fold(0.0, |sum, c| sum * x + c));
    above / below
}
