mod c {
    #[link(name = "m")]
    unsafe extern "C" {
        #[link_name = "sqrt"] safe fn c_sqrt(x: f64) -> f64;
        #[link_name = "sqrtf"] safe fn c_sqrtf(x: f32) -> f32;
        #[link_name = "exp"] safe fn c_exp(x: f64) -> f64;
        #[link_name = "expf"] safe fn c_expf(x: f32) -> f32;
        #[link_name = "exp2"] safe fn c_exp2(x: f64) -> f64;
        #[link_name = "exp2f"] safe fn c_exp2f(x: f32) -> f32;
        #[link_name = "expm1"] safe fn c_expm1(x: f64) -> f64;
        #[link_name = "expm1f"] safe fn c_expm1f(x: f32) -> f32;
        #[link_name = "log"] safe fn c_log(x: f64) -> f64;
        #[link_name = "logf"] safe fn c_logf(x: f32) -> f32;
        #[link_name = "log1p"] safe fn c_log1p(x: f64) -> f64;
        #[link_name = "log1pf"] safe fn c_log1pf(x: f32) -> f32;
        #[link_name = "log2"] safe fn c_log2(x: f64) -> f64;
        #[link_name = "log2f"] safe fn c_log2f(x: f32) -> f32;
        #[link_name = "log10"] safe fn c_log10(x: f64) -> f64;
        #[link_name = "log10f"] safe fn c_log10f(x: f32) -> f32;
        #[link_name = "cbrt"] safe fn c_cbrt(x: f64) -> f64;
        #[link_name = "cbrtf"] safe fn c_cbrtf(x: f32) -> f32;
        #[link_name = "sin"] safe fn c_sin(x: f64) -> f64;
        #[link_name = "sinf"] safe fn c_sinf(x: f32) -> f32;
        #[link_name = "cos"] safe fn c_cos(x: f64) -> f64;
        #[link_name = "cosf"] safe fn c_cosf(x: f32) -> f32;
        #[link_name = "tan"] safe fn c_tan(x: f64) -> f64;
        #[link_name = "tanf"] safe fn c_tanf(x: f32) -> f32;
        #[link_name = "asin"] safe fn c_asin(x: f64) -> f64;
        #[link_name = "asinf"] safe fn c_asinf(x: f32) -> f32;
        #[link_name = "acos"] safe fn c_acos(x: f64) -> f64;
        #[link_name = "acosf"] safe fn c_acosf(x: f32) -> f32;
        #[link_name = "atan"] safe fn c_atan(x: f64) -> f64;
        #[link_name = "atanf"] safe fn c_atanf(x: f32) -> f32;
        #[link_name = "sinh"] safe fn c_sinh(x: f64) -> f64;
        #[link_name = "sinhf"] safe fn c_sinhf(x: f32) -> f32;
        #[link_name = "cosh"] safe fn c_cosh(x: f64) -> f64;
        #[link_name = "coshf"] safe fn c_coshf(x: f32) -> f32;
        #[link_name = "tanh"] safe fn c_tanh(x: f64) -> f64;
        #[link_name = "tanhf"] safe fn c_tanhf(x: f32) -> f32;
        #[link_name = "asinh"] safe fn c_asinh(x: f64) -> f64;
        #[link_name = "asinhf"] safe fn c_asinhf(x: f32) -> f32;
        #[link_name = "acosh"] safe fn c_acosh(x: f64) -> f64;
        #[link_name = "acoshf"] safe fn c_acoshf(x: f32) -> f32;
        #[link_name = "atanh"] safe fn c_atanh(x: f64) -> f64;
        #[link_name = "atanhf"] safe fn c_atanhf(x: f32) -> f32;
        #[link_name = "erf"] safe fn c_erf(x: f64) -> f64;
        #[link_name = "erff"] safe fn c_erff(x: f32) -> f32;
        #[link_name = "erfc"] safe fn c_erfc(x: f64) -> f64;
        #[link_name = "erfcf"] safe fn c_erfcf(x: f32) -> f32;
        #[link_name = "floor"] safe fn c_floor(x: f64) -> f64;
        #[link_name = "floorf"] safe fn c_floorf(x: f32) -> f32;
        #[link_name = "ceil"] safe fn c_ceil(x: f64) -> f64;
        #[link_name = "ceilf"] safe fn c_ceilf(x: f32) -> f32;
        #[link_name = "rint"] safe fn c_rint(x: f64) -> f64;
        #[link_name = "rintf"] safe fn c_rintf(x: f32) -> f32;
        #[link_name = "lgamma"] safe fn c_lgamma(x: f64) -> f64;
        #[link_name = "lgammaf"] safe fn c_lgammaf(x: f32) -> f32;
        #[link_name = "pow"] safe fn c_pow(x: f64, y: f64) -> f64;
        #[link_name = "powf"] safe fn c_powf(x: f32, y: f32) -> f32;
        #[link_name = "atan2"] safe fn c_atan2(x: f64, y: f64) -> f64;
        #[link_name = "atan2f"] safe fn c_atan2f(x: f32, y: f32) -> f32;
        #[link_name = "hypot"] safe fn c_hypot(x: f64, y: f64) -> f64;
        #[link_name = "hypotf"] safe fn c_hypotf(x: f32, y: f32) -> f32;
        #[link_name = "fmod"] safe fn c_fmod(x: f64, y: f64) -> f64;
        #[link_name = "fmodf"] safe fn c_fmodf(x: f32, y: f32) -> f32;
    }
    pub fn sqrt(x: f64) -> f64 { c_sqrt(x) }
    pub fn sqrtf(x: f32) -> f32 { c_sqrtf(x) }
    pub fn exp(x: f64) -> f64 { c_exp(x) }
    pub fn expf(x: f32) -> f32 { c_expf(x) }
    pub fn exp2(x: f64) -> f64 { c_exp2(x) }
    pub fn exp2f(x: f32) -> f32 { c_exp2f(x) }
    pub fn expm1(x: f64) -> f64 { c_expm1(x) }
    pub fn expm1f(x: f32) -> f32 { c_expm1f(x) }
    pub fn log(x: f64) -> f64 { c_log(x) }
    pub fn logf(x: f32) -> f32 { c_logf(x) }
    pub fn log1p(x: f64) -> f64 { c_log1p(x) }
    pub fn log1pf(x: f32) -> f32 { c_log1pf(x) }
    pub fn log2(x: f64) -> f64 { c_log2(x) }
    pub fn log2f(x: f32) -> f32 { c_log2f(x) }
    pub fn log10(x: f64) -> f64 { c_log10(x) }
    pub fn log10f(x: f32) -> f32 { c_log10f(x) }
    pub fn cbrt(x: f64) -> f64 { c_cbrt(x) }
    pub fn cbrtf(x: f32) -> f32 { c_cbrtf(x) }
    pub fn sin(x: f64) -> f64 { c_sin(x) }
    pub fn sinf(x: f32) -> f32 { c_sinf(x) }
    pub fn cos(x: f64) -> f64 { c_cos(x) }
    pub fn cosf(x: f32) -> f32 { c_cosf(x) }
    pub fn tan(x: f64) -> f64 { c_tan(x) }
    pub fn tanf(x: f32) -> f32 { c_tanf(x) }
    pub fn asin(x: f64) -> f64 { c_asin(x) }
    pub fn asinf(x: f32) -> f32 { c_asinf(x) }
    pub fn acos(x: f64) -> f64 { c_acos(x) }
    pub fn acosf(x: f32) -> f32 { c_acosf(x) }
    pub fn atan(x: f64) -> f64 { c_atan(x) }
    pub fn atanf(x: f32) -> f32 { c_atanf(x) }
    pub fn sinh(x: f64) -> f64 { c_sinh(x) }
    pub fn sinhf(x: f32) -> f32 { c_sinhf(x) }
    pub fn cosh(x: f64) -> f64 { c_cosh(x) }
    pub fn coshf(x: f32) -> f32 { c_coshf(x) }
    pub fn tanh(x: f64) -> f64 { c_tanh(x) }
    pub fn tanhf(x: f32) -> f32 { c_tanhf(x) }
    pub fn asinh(x: f64) -> f64 { c_asinh(x) }
    pub fn asinhf(x: f32) -> f32 { c_asinhf(x) }
    pub fn acosh(x: f64) -> f64 { c_acosh(x) }
    pub fn acoshf(x: f32) -> f32 { c_acoshf(x) }
    pub fn atanh(x: f64) -> f64 { c_atanh(x) }
    pub fn atanhf(x: f32) -> f32 { c_atanhf(x) }
    pub fn erf(x: f64) -> f64 { c_erf(x) }
    pub fn erff(x: f32) -> f32 { c_erff(x) }
    pub fn erfc(x: f64) -> f64 { c_erfc(x) }
    pub fn erfcf(x: f32) -> f32 { c_erfcf(x) }
    pub fn floor(x: f64) -> f64 { c_floor(x) }
    pub fn floorf(x: f32) -> f32 { c_floorf(x) }
    pub fn ceil(x: f64) -> f64 { c_ceil(x) }
    pub fn ceilf(x: f32) -> f32 { c_ceilf(x) }
    pub fn rint(x: f64) -> f64 { c_rint(x) }
    pub fn rintf(x: f32) -> f32 { c_rintf(x) }
    pub fn lgamma(x: f64) -> f64 { c_lgamma(x) }
    pub fn lgammaf(x: f32) -> f32 { c_lgammaf(x) }
    pub fn pow(x: f64, y: f64) -> f64 { c_pow(x, y) }
    pub fn powf(x: f32, y: f32) -> f32 { c_powf(x, y) }
    pub fn atan2(x: f64, y: f64) -> f64 { c_atan2(x, y) }
    pub fn atan2f(x: f32, y: f32) -> f32 { c_atan2f(x, y) }
    pub fn hypot(x: f64, y: f64) -> f64 { c_hypot(x, y) }
    pub fn hypotf(x: f32, y: f32) -> f32 { c_hypotf(x, y) }
    pub fn fmod(x: f64, y: f64) -> f64 { c_fmod(x, y) }
    pub fn fmodf(x: f32, y: f32) -> f32 { c_fmodf(x, y) }
}
