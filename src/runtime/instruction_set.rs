//! Which vector instructions the kernels use. In: nothing. Out: the widest set that this machine has and that kernels
//! are compiled for. It is found at run time, so nobody has to set compiler flags.

/// A set of vector instructions that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum InstructionSet {
    /// What every machine of the target has.
    Portable,
    /// 256-bit vectors with fused multiply-add (AVX2 and FMA).
    Avx2,
    /// 512-bit vectors (AVX-512 F, BW, DQ and VL, with AVX2 and FMA).
    Avx512,
}

impl InstructionSet {
    /// The widest set of this machine.
    pub(crate) fn detect() -> InstructionSet {
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let has_avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if has_avx2 && has_avx512 {
                return InstructionSet::Avx512;
            }
            if has_avx2 {
                return InstructionSet::Avx2;
            }
        }
        InstructionSet::Portable
    }
}
