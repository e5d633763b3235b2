//! One kernel, compiled for every instruction set. In: a generic function over [`Arithmetic`](super::arithmetic). Out: a
//! function from the set to a pointer to its instance. Whether the machine has the set is for the caller to know.

/// Declares `$select(set)`, which gives the instance of `$body` for a set. `$body` is `#[inline(always)]`, so that it is
/// compiled anew inside each thin function that enables the instructions of a set.
macro_rules! for_each_set {
    ($(#[$doc:meta])* $visibility:vis fn $select:ident<$($parameter:ident: $bound:ident),*> = $body:ident: $pointer:ident
        ($($argument:ident: $type:ty),*)) => {
        $(#[$doc])*
        $visibility fn $select<$($parameter: $bound),*>(set: InstructionSet) -> $pointer {
            /// # Safety
            /// As for the body.
            unsafe fn portable<$($parameter: $bound),*>($($argument: $type),*) {
                // SAFETY: the caller keeps the contract of the body, which is this function's own.
                unsafe { $body::<$($parameter,)* $crate::runtime::vector::arithmetic::Baseline>($($argument),*) }
            }

            /// # Safety
            /// As for the body, and the machine has AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2<$($parameter: $bound),*>($($argument: $type),*) {
                // SAFETY: the caller keeps the contract of the body, which is this function's own.
                unsafe { $body::<$($parameter,)* $crate::runtime::vector::arithmetic::Fused>($($argument),*) }
            }

            /// # Safety
            /// As for the body, and the machine has AVX-512 F, BW, DQ and VL, AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            unsafe fn avx512<$($parameter: $bound),*>($($argument: $type),*) {
                // SAFETY: the caller keeps the contract of the body, which is this function's own.
                unsafe { $body::<$($parameter,)* $crate::runtime::vector::arithmetic::Fused>($($argument),*) }
            }

            match set.kind() {
                #[cfg(target_arch = "x86_64")]
                $crate::runtime::instruction_set::SetKind::Avx2 => avx2::<$($parameter),*>,
                #[cfg(target_arch = "x86_64")]
                $crate::runtime::instruction_set::SetKind::Avx512 => avx512::<$($parameter),*>,
                _ => portable::<$($parameter),*>,
            }
        }
    };
}
pub(super) use for_each_set;
